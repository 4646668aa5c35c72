"""`GET /v1/jobs/{id}/weights`: the parameters in a training's newest checkpoint, before it has published a version."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from flask import Blueprint, Response, jsonify, request
from numpy.lib import format as npy
from pydantic import Field, StringConstraints, with_config
from typing_extensions import TypedDict

from api.exports import Export, export_of
from api.exports.safetensors import encode_stored
from api.requests.conditions import conditional
from api.requests.online.memory import held
from api.requests.validation import RequestModel, from_texts
from api.resources.image_selection import invalid
from api.schema import examples
from api.schema.examples import shown_as
from api.schema.operations import MediaType, ResponseSpec, error_response, operation
from shared.errors import Conflict, Damaged, NotFound, Unavailable
from shared.jobs import Job, JobStore, Kind
from shared.network.settings.validation import shown
from shared.registry.checkpoints import CheckpointFile, CheckpointParameters, Checkpoints
from shared.registry.stored import StoredArray
from shared.registry.weights import write_parameters
from shared.storage.volume import Volume

MOST_NUMBERS = 100_000  # of a tensor as JSON
BINARY = "application/octet-stream"
FILE = MediaType(
    BINARY,
    "a safetensors file with `job`, `epochs` and `steps` in `__metadata__`; or .npz or .npy, as `format` selects",
)
REMEMBERED = 100  # checkpoints that were found intact
ONE = ("npy", "json")  # the formats of a single tensor


@with_config(shown_as(examples.CHECKPOINT_TENSOR))
class TensorView(TypedDict):
    """A tensor of a checkpoint, its numbers in C order; null if one is not finite."""

    epochs: int
    steps: int
    tensor: str
    shape: list[int]
    values: list[float | None]


class CheckpointQuery(RequestModel):
    """The tensor and the format of a checkpoint's parameters."""

    tensor: Annotated[str, StringConstraints(pattern="^[a-z0-9_.]{1,100}$")] | None = Field(
        None, description="only this tensor, such as `layer1.weights`"
    )
    format: Literal["safetensors", "npz", "npy", "json"] = Field(
        "safetensors", description=f"`npy` and `json` need `tensor`; `json` has at most {MOST_NUMBERS:,} numbers"
    )


def blueprint(jobs: JobStore, volume: Volume) -> Blueprint:
    """Return the route of a running training's weights."""
    routes = Blueprint("checkpoint_weights", __name__, url_prefix="/v1/jobs/<job_id>/weights")
    intact: dict[str, None] = {}

    @routes.get("")
    @operation(
        "Read the weights of a running training",
        scope="read",
        query=CheckpointQuery,
        responses={
            200: ResponseSpec((FILE, TensorView), headers=("ETag",)),
            206: ResponseSpec((FILE,), "The requested range.", headers=("ETag", "Content-Range")),
            304: ResponseSpec(description="There is no newer checkpoint.", headers=("ETag",)),
        },
        errors=(
            error_response(NotFound, "job_not_found", "checkpoint_not_found"),
            error_response(Conflict, "not_a_training"),
            error_response(Damaged, "checkpoint_damaged", "record_lost", "record_unreadable"),
            error_response(Unavailable, "volume_unavailable", "memory_busy"),
        ),
        headers=("Range", "If-Range", "If-Match", "If-None-Match"),
    )
    def weights(job_id: str) -> Response:
        """The names and shapes are those of a version's weights, the first layer's in the order of the pixels.

        A training saves a checkpoint at the end of an epoch, at most once a second, and removes them when it publishes
        its version. These are its latest parameters, also if it stops early; while `auto` chooses, those of the
        candidate that is trained. The ETag changes with each checkpoint: poll with `If-None-Match`.
        """
        query = from_texts(CheckpointQuery, request.args)
        if query.format in ONE and query.tensor is None:
            raise invalid("tensor", f"is needed for the format {query.format}: name one tensor")
        job = jobs.get(job_id)
        if job.kind is Kind.BATCH:
            detail = f"job {job.id} is a {job.kind} job and trains no weights"
            raise Conflict("not_a_training", detail)
        file = Checkpoints(volume.checkpoints(job.id)).newest()
        if file is None:
            raise missing(job)
        try:
            etag = f"{file.digest()}-{query.format}{'' if query.tensor is None else f'-{query.tensor}'}"
            if request.if_none_match.contains_weak(etag):
                return conditional(_with_etag(Response(mimetype=BINARY), etag))
            response = content(query, job, file)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise damaged(job, file) from error
        return conditional(_with_etag(response, etag), ranges=True)

    def content(query: CheckpointQuery, job: Job, file: CheckpointFile) -> Response:
        if (digest := file.digest()) not in intact:
            if not file.is_intact():
                raise damaged(job, file)
            intact[digest] = None
            if len(intact) > REMEMBERED:
                intact.pop(next(iter(intact)), None)
        parameters = file.parameters()
        if query.tensor is not None and query.tensor not in parameters.stored:
            raise invalid("tensor", f"must be one of {', '.join(parameters.stored)}; got {shown(query.tensor)}")
        names = list(parameters.stored) if query.tensor is None else [query.tensor]
        if query.format == "json" and (size := math.prod(parameters.stored[names[0]].shape)) > MOST_NUMBERS:
            raise invalid("format", f"json has at most {MOST_NUMBERS:,} numbers, the tensor has {size:,}; use npy")
        held(request.environ).response(_memory(query, parameters, names))
        tensors = {name: parameters.read(name) for name in names}
        if query.format == "json":
            return jsonify(_view(names[0], tensors[names[0]], parameters.epochs, file.steps))
        return _download(query, job, tensors, {"epochs": str(parameters.epochs), "steps": str(file.steps)})

    return routes


def _memory(query: CheckpointQuery, parameters: CheckpointParameters, names: list[str]) -> int:
    """Return the bytes that the response needs, of those that it does not read block by block."""
    sizes = {name: parameters.stored[name].nbytes for name in names}
    copied = sum(2 * size for name, size in sizes.items() if parameters.is_reordered(name))
    return copied + {"safetensors": 0, "npz": 3, "npy": 2, "json": 20}[query.format] * sum(sizes.values())


def _download(
    query: CheckpointQuery, job: Job, tensors: Mapping[str, StoredArray], metadata: Mapping[str, str]
) -> Response:
    if query.format == "safetensors":
        found: Export = export_of(encode_stored(tensors, {"job": job.id, **metadata}))
        response = Response(found.blocks(), mimetype=BINARY)
        response.content_length = found.length
    else:
        file = io.BytesIO()
        if query.format == "npz":
            write_parameters(file, {name: array.array() for name, array in tensors.items()})
        else:
            (array,) = tensors.values()
            npy.write_array(file, array.array(), allow_pickle=False)
        response = Response(file.getvalue(), mimetype=BINARY)
    response.headers["Content-Disposition"] = f"attachment; filename={job.id}.{query.format}"
    return response


def _view(name: str, tensor: StoredArray, epochs: int, steps: int) -> TensorView:
    values = tensor.array().reshape(-1).astype(np.float64)
    numbers = [value if finite else None for value, finite in zip(values.tolist(), np.isfinite(values), strict=True)]
    return {"epochs": epochs, "steps": steps, "tensor": name, "shape": list(tensor.shape), "values": numbers}


def _with_etag(response: Response, etag: str) -> Response:
    response.set_etag(etag)
    return response


def missing(job: Job) -> NotFound:
    """Return the error for a job that has no checkpoint."""
    if job.result is not None:
        where = f"it has ended; read the weights of its version, {job.result['model']}@{job.result['version']}"
    elif job.state.is_terminal:
        where = f"it is {job.state} and had saved none"
    else:
        where = "a training saves the first one at the end of an epoch; try again later"
    return NotFound("checkpoint_not_found", f"job {job.id} has no checkpoint: {where}")


def damaged(job: Job, file: CheckpointFile) -> Damaged:
    """Return the error for a checkpoint that cannot be read."""
    detail = f"the checkpoint of job {job.id} after {file.steps} mini-batches is damaged; the next one replaces it"
    return Damaged("checkpoint_damaged", detail)
