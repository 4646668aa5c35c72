"""`GET /v1/jobs/{id}/weights/histogram`: how the numbers of each tensor of a training are distributed."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping

import numpy as np
from flask import Blueprint, Response, jsonify, request
from pydantic import Field, with_config
from typing_extensions import TypedDict

from api.requests.conditions import conditional
from api.requests.validation import RequestModel, from_texts
from api.resources.trainings.checkpoint_weights import damaged, missing
from api.schema import examples
from api.schema.examples import shown_as
from api.schema.operations import PRECONDITIONS, error_response, operation, revalidated
from shared.errors import Conflict, Damaged, NotFound
from shared.jobs import Job, JobStore, Kind
from shared.registry import Registry
from shared.registry.checkpoints import Checkpoints
from shared.registry.stored import StoredArray
from shared.storage.volume import Volume

REMEMBERED = 20  # answers
MOST_TENSORS = 200


class TensorHistogramView(TypedDict):
    """The distribution of a tensor's numbers: `counts` in equal bins from `minimum` to `maximum`.

    `mean` and `deviation` are those of the finite numbers; all four are null if there is none. `not_finite` counts the
    others.
    """

    tensor: str
    shape: list[int]
    minimum: float | None
    maximum: float | None
    mean: float | None
    deviation: float | None
    not_finite: int
    counts: list[int]


@with_config(shown_as(examples.WEIGHT_HISTOGRAMS))
class WeightHistogramsView(TypedDict):
    """The distributions of a training's weights after so many epochs, of at most 200 tensors."""

    epochs: int
    tensors: list[TensorHistogramView]


class HistogramQuery(RequestModel):
    """The bins of the histograms."""

    bins: int = Field(50, ge=1, le=200, description="number of bins")


def blueprint(jobs: JobStore, registry: Registry, volume: Volume) -> Blueprint:
    """Return the route of the histograms of a training's weights."""
    routes = Blueprint("weight_histograms", __name__)
    known: dict[str, WeightHistogramsView] = {}

    @routes.get("/v1/jobs/<job_id>/weights/histogram")
    @operation(
        "Read how the weights of a training are distributed",
        scope="read",
        query=HistogramQuery,
        responses=revalidated(WeightHistogramsView),
        headers=PRECONDITIONS,
        errors=(
            error_response(NotFound, "job_not_found", "checkpoint_not_found", "model_not_found", "version_deleted"),
            error_response(Conflict, "not_a_training"),
            error_response(
                Damaged,
                *("checkpoint_damaged", "version_damaged", "version_unreadable"),
                *("record_lost", "record_unreadable"),
            ),
        ),
    )
    def histogram(job_id: str) -> Response:
        """Of the newest checkpoint; after the training has published its version, of that.

        The ETag changes with each checkpoint: poll with `If-None-Match`.
        """
        query = from_texts(HistogramQuery, request.args)
        job = jobs.get(job_id)
        if job.kind is not Kind.TRAINING:
            raise Conflict("not_a_training", f"job {job.id} is a {job.kind} job and publishes no weights")
        file = Checkpoints(volume.checkpoints(job.id)).newest()
        if file is not None:
            try:
                tag = f"{file.digest()}-{query.bins}"
                if tag not in known:
                    if not file.is_intact():
                        raise damaged(job, file)
                    parameters = file.parameters()
                    remember(tag, histograms(parameters.epochs, parameters.stored, query.bins))
            except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
                raise damaged(job, file) from error
        else:
            tag = published(job, query.bins)
        response = jsonify(known[tag])
        response.set_etag(tag)
        return conditional(response)

    def published(job: Job, bins: int) -> str:
        version = registry.version_of_job(job.model, job.id)
        if version is None:
            raise missing(job)
        tag = f"{version.weights.sha256}-{bins}"
        if tag not in known:
            remember(tag, histograms(version.epochs_trained, registry.stored(version, anew=False), bins))
        return tag

    def remember(tag: str, view: WeightHistogramsView) -> None:
        known[tag] = view
        if len(known) > REMEMBERED:
            known.pop(next(iter(known)), None)

    return routes


def histograms(epochs: int, tensors: Mapping[str, StoredArray], bins: int) -> WeightHistogramsView:
    """Return the distributions of the tensors, read block by block."""
    return {"epochs": epochs, "tensors": [_of(name, tensors[name], bins) for name in list(tensors)[:MOST_TENSORS]]}


def _of(name: str, tensor: StoredArray, bins: int) -> TensorHistogramView:
    count, total, squares, least, most, others = 0, 0.0, 0.0, np.inf, -np.inf, 0
    for block in tensor.rows():
        finite = block[np.isfinite(block)].astype(np.float64)
        others += block.size - finite.size
        if finite.size:
            count += finite.size
            total += float(finite.sum())
            squares += float(np.square(finite).sum())
            least, most = min(least, float(finite.min())), max(most, float(finite.max()))
    counts = np.zeros(bins, np.int64)
    if count:
        for block in tensor.rows():
            counts += np.histogram(block[np.isfinite(block)].astype(np.float64), bins, (least, most))[0]
    mean = total / count if count else None
    return {
        "tensor": name,
        "shape": list(tensor.shape),
        "minimum": least if count else None,
        "maximum": most if count else None,
        "mean": mean,
        "deviation": None if mean is None else max(0.0, squares / count - mean**2) ** 0.5,
        "not_finite": others,
        "counts": counts.tolist(),
    }
