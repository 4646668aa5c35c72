"""`/v1/lessons`: one training step of a dense network, formula by formula, with its arrays."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Any, Literal

import numpy as np
from flask import Blueprint, Response, request
from numpy.typing import NDArray
from pydantic import Field, with_config
from typing_extensions import TypedDict

from api.exports.safetensors import encode_arrays
from api.loaded_models import OnlineModels
from api.requests import accepted
from api.requests.bodies import fast_json
from api.requests.online.memory import held
from api.requests.validation import RequestModel, from_json
from api.resources.explanations.explain import BINARY, JSON
from api.schema.examples import DATASET_ID, shown_as
from api.schema.operations import MediaType, error_response, operation
from shared.datasets import DatasetStore
from shared.datasets.builtin.built_in import BuiltIn
from shared.errors import Conflict, Damaged, FieldError, Invalid, NotFound, TooLarge, Unavailable
from shared.network import Network, preset
from shared.network.configuration import UPDATE_ORDERS
from shared.network.layers import inputs
from shared.network.layers.activations import ACTIVATIONS
from shared.network.training.lesson import FORMULAS, lesson, sources
from shared.runtime.settings import Settings

LARGEST = 1024  # numbers of an array in JSON
ARRAYS = MediaType(
    BINARY,
    "a safetensors file with all arrays, such as `W1'`; in `__metadata__` `lesson`, the JSON without `values`. The"
    " response to a request whose `Accept` prefers this type",
)


class LessonRequest(RequestModel):
    """One step of plain gradient descent on an image of a data set."""

    model_config = shown_as({"preset": "article", "seed": 0, "dataset": DATASET_ID, "split": "train", "index": 17})

    dataset: str = Field(max_length=255, description="a data set: its id or a name")
    split: Literal["train", "validation", "test"] = Field("train", description="the part of the data set")
    index: int = Field(ge=0, lt=10**12, description="position of the image in the split, from 0")
    model: str | None = Field(None, max_length=255, description="a model whose version has the weights, with `version`")
    version: str = Field("latest", max_length=255, description="its number, an alias, or `latest`")
    preset: Literal["article", "fast"] = Field(
        "article", description="without a model: the network with new weights, in double precision"
    )
    seed: int = Field(0, ge=0, lt=2**63, description="random seed of these weights")
    label: str | None = Field(None, max_length=255, description="the class to train; by default the image's own")
    rate: float = Field(0.01, gt=0, le=100, description="learning rate")
    update_order: Literal["layerwise", "together"] = Field(
        "layerwise", description="update each layer before the error propagates through it, or all at the end"
    )


class LessonStepView(TypedDict):
    """An array, in the order of computation: `operation` names its formula. Of large arrays `values` is null."""

    name: str
    operation: str
    shape: list[int]
    values: list[Any] | None


@with_config(
    shown_as(
        {
            "model": None,
            "version": None,
            "activation": "sigmoid",
            "classes": ["0", "1"],
            "label": "1",
            "rate": 0.01,
            "update_order": "layerwise",
            "steps": [{"name": "P", "operation": "softmax", "shape": [1, 2], "values": [[0.4, 0.6]]}],
        }
    )
)
class LessonView(TypedDict):
    """One training step: its arrays from the input X to the new weights, such as `W1'`."""

    model: str | None
    version: int | None
    activation: str
    classes: list[str]
    label: str
    rate: float
    update_order: str
    steps: list[LessonStepView]


class LessonOperationView(TypedDict):
    """An operation of a step: its formula, and the source of the function that computes it, null for the input."""

    name: str
    formula: str
    source: str | None


@with_config(
    shown_as(
        {
            "update_orders": ["together", "layerwise"],
            "activations": {"sigmoid": [{"name": "input", "formula": "X", "source": None}]},
        }
    )
)
class LessonsView(TypedDict):
    """The operations of a step for each activation function, in the order of computation."""

    update_orders: list[str]
    activations: dict[str, list[LessonOperationView]]


def blueprint(models: OnlineModels, store: DatasetStore, built_in: BuiltIn, limits: Settings) -> Blueprint:
    """Return the routes of lessons."""
    routes = Blueprint("lessons", __name__, url_prefix="/v1/lessons")

    @routes.get("")
    @operation("Show the formulas of a training step and their sources", scope="read", responses={200: LessonsView})
    def index() -> LessonsView:
        """The sources are those of the running server."""
        return _lessons()

    @routes.post("/step")
    @operation(
        "Compute a training step, formula by formula",
        scope="read",
        body=LessonRequest,
        responses={200: (LessonView, ARRAYS)},
        errors=(
            error_response(NotFound, "dataset_not_found", "model_not_found", "version_not_found", "version_deleted"),
            error_response(Conflict, "model_unloaded", "model_too_large"),
            error_response(Invalid, "validation_failed"),
            error_response(TooLarge, "response_too_large"),
            error_response(Damaged, "dataset_damaged", "dataset_unreadable", "version_damaged", "version_unreadable"),
            error_response(Unavailable, "memory_busy"),
        ),
    )
    def step() -> Response:
        """Plain gradient descent on one image, without dropout and augmentation; nothing is stored.

        With a model its version's weights take the step, otherwise those that a preset begins with.
        """
        wanted = from_json(LessonRequest, limits)
        manifest, arrays = store.load(built_in.prepared(wanted.dataset).id, anew=False)
        if wanted.split not in arrays.splits:
            raise _invalid("split", f"must be a split of this data set: {', '.join(arrays.splits)}; got {wanted.split}")
        images, labels = arrays.splits[wanted.split]
        if wanted.index >= len(labels):
            raise _invalid("index", f"must be less than the number of images, {len(labels)}; got {wanted.index}")
        name = version = None
        if wanted.model is None:
            network = Network(
                manifest.image_shape, len(manifest.classes), preset(wanted.preset, seed=wanted.seed, dtype="float64")
            )
            classes = manifest.classes
            _check_size(network, limits)
            parameters = network.initialize(np.random.default_rng(wanted.seed))
        else:
            classifier = models.classifier(wanted.model, wanted.version)
            network, parameters, classes = classifier.network, classifier.parameters, classifier.version.classes
            name, version = classifier.version.model, classifier.version.version
            if network.architecture is not None:
                raise _invalid("model", "must be a network of dense layers alone; this one has convolutions")
            if network.image_shape != tuple(manifest.image_shape):
                shapes = f"{list(network.image_shape)}, and those of the data set {list(manifest.image_shape)}"
                raise _invalid("dataset", f"must have images of the network's shape, which is {shapes}")
            _check_size(network, limits)
        label = wanted.label if wanted.label is not None else manifest.classes[int(labels[wanted.index])]
        if label not in classes:
            raise _invalid("label", f"must be a class: {', '.join(classes[:20])}; got {json.dumps(label)}")
        X = np.empty((1, math.prod(network.image_shape)), network.dtype)
        standardization = network.standardization(parameters) if wanted.model is not None else None
        inputs.scale(images[wanted.index].reshape(1, -1), X, standardization)
        with np.errstate(all="ignore"):  # a large rate may overflow
            steps = lesson(
                network.dense_layers(parameters),
                network.activation,
                X,
                list(classes).index(label),
                wanted.rate,
                layerwise=wanted.update_order == "layerwise",
            )
        document: dict[str, Any] = {
            "model": name,
            "version": version,
            "activation": network.activation.name,
            "classes": list(classes),
            "label": label,
            "rate": wanted.rate,
            "update_order": wanted.update_order,
            "steps": [
                {"name": each.name, "operation": each.operation, "shape": list(each.values.shape)} for each in steps
            ],
        }
        response = _response(document, {each.name: each.values for each in steps})
        response.vary.add("Accept")
        return response

    return routes


def _response(document: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Response:
    if accepted.quality(BINARY) > accepted.quality(JSON):
        ordered = dict(sorted(arrays.items(), key=lambda item: -item[1].itemsize))  # as its format demands
        return Response(encode_arrays(ordered, {"lesson": json.dumps(document)}), mimetype=BINARY)
    for each in document["steps"]:
        values = arrays[each["name"]]
        each["values"] = values if values.size <= LARGEST else None
    return fast_json.json_response(document)


def _check_size(network: Network, limits: Settings) -> None:
    """Hold the memory of a lesson: weights, derivatives and new weights. Raises `TooLarge`, or `Unavailable`."""
    size = 3 * network.layout.size * network.dtype.itemsize
    most = limits.max_online_response_bytes
    if size > most:
        raise TooLarge(
            "response_too_large",
            f"the arrays of this step have {size} bytes, and GLASSBOX_MAX_ONLINE_RESPONSE_BYTES is {most}; use a"
            " smaller network",
        )
    held(request.environ).response(2 * size)


@cache
def _lessons() -> LessonsView:
    return {
        "update_orders": list(UPDATE_ORDERS),
        "activations": {
            name: [
                {"name": each, "formula": formula, "source": sources(activation).get(each)}
                for each, formula in FORMULAS.items()
            ]
            for name, activation in ACTIVATIONS.items()
        },
    }


def _invalid(field: str, reason: str) -> Invalid:
    return Invalid("validation_failed", f"{field}: {reason}", [FieldError(reason, pointer=f"#/{field}")])
