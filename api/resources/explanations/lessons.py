"""`/v1/lessons`: one training step of a dense network, formula by formula, with its arrays."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

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
from api.resources.datasets.images import PREPARATION
from api.resources.explanations.explain import BINARY, JSON
from api.schema.examples import DATASET_ID, shown_as
from api.schema.operations import MediaType, error_response, operation
from shared.datasets import DatasetStore
from shared.datasets.builtin.built_in import BuiltIn
from shared.datasets.manifest import Manifest
from shared.errors import Conflict, Damaged, FieldError, Invalid, NotFound, TooLarge, Unavailable
from shared.network import Network, Parameters, preset
from shared.network.configuration import UPDATE_ORDERS
from shared.network.layers import inputs
from shared.network.layers.activations import ACTIVATIONS, Activation
from shared.network.training import lesson
from shared.runtime.settings import Settings

MOST_LOSSES = 100
LARGEST = 1024  # numbers of an array in JSON
PASSES = 3  # of a step, each as long as the forward pass: the derivatives of weights and of inputs are one each
STEPS = [
    {"name": "X", "operation": "input", "shape": [1, 2], "values": [[1.0, 0.5]]},
    {"name": "W1", "operation": "weights", "shape": [2, 2], "values": [[0.1, 0.4], [-0.2, 0.2]]},
    {"name": "b1", "operation": "weights", "shape": [2], "values": [0.3, 0.3]},
    {"name": "Z1", "operation": "forward", "shape": [1, 2], "values": [[0.3, 0.8]]},
    {"name": "P", "operation": "softmax", "shape": [1, 2], "values": [[0.3775, 0.6225]]},
    {"name": "L", "operation": "loss", "shape": [1], "values": [0.4741]},
    {"name": "dZ1", "operation": "logit_gradient", "shape": [1, 2], "values": [[0.3775, -0.3775]]},
    {"name": "dW1", "operation": "gradients", "shape": [2, 2], "values": [[0.3775, -0.3775], [0.1888, -0.1888]]},
    {"name": "db1", "operation": "gradients", "shape": [2], "values": [0.3775, -0.3775]},
    {"name": "W1'", "operation": "update", "shape": [2, 2], "values": [[0.0962, 0.4038], [-0.2019, 0.2019]]},
    {"name": "b1'", "operation": "update", "shape": [2], "values": [0.2962, 0.3038]},
]
ARRAYS = MediaType(
    BINARY,
    "a safetensors file with all arrays, such as `W1'`; in `__metadata__` `lesson`, the JSON without `values`. The"
    " response to a request whose `Accept` prefers this type",
)


class LessonCheckRequest(RequestModel):
    """A weight or bias whose derivative is checked."""

    model_config = shown_as({"parameter": "W1", "index": [0, 1]})

    parameter: str = Field(pattern="^[Wb][1-9][0-9]?$", description="weights or biases of a layer, such as `W2`")
    index: list[int] | None = Field(
        None,
        min_length=1,
        max_length=2,
        description="the place in them: row and column, or of biases one number; by default that of the largest"
        " derivative",
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
    check: LessonCheckRequest | None = Field(
        None, description="move this weight both ways by 0.001, and compare the slope of the loss with the derivative"
    )
    losses: int = Field(
        0,
        ge=0,
        le=MOST_LOSSES,
        description="return the losses of this number of steps, which train the image and those after it in the split",
    )


class LessonStepView(TypedDict):
    """An array, in the order of computation: `operation` names its formula. Of large arrays `values` is null."""

    name: str
    operation: str
    shape: list[int]
    values: list[Any] | None


class LessonCheckView(TypedDict):
    """A derivative, and the slope of the loss from `losses`: with the value lowered and raised by `move`."""

    parameter: str
    index: list[int]
    value: float | None
    derivative: float | None
    move: float
    losses: list[float | None]
    slope: float | None


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
            "steps": STEPS,
            "check": None,
            "losses": [0.4741, 0.8127],
        }
    )
)
class LessonView(TypedDict):
    """One training step: its arrays from the input X to the new weights, such as `W1'`.

    Numbers that are not finite are null.
    """

    model: str | None
    version: int | None
    activation: str
    classes: list[str]
    label: str
    rate: float
    update_order: str
    steps: list[LessonStepView]
    check: LessonCheckView | None
    losses: list[float | None]


class LessonOperationView(TypedDict):
    """An operation of a step: its formula, and the source of the function that computes it.

    The input and the first weights have no source.
    """

    name: str
    formula: str
    source: str | None


@with_config(
    shown_as(
        {
            "update_orders": ["together", "layerwise"],
            "activations": {
                "sigmoid": [
                    {"name": "input", "formula": "X", "source": None},
                    {"name": "softmax", "formula": "P = e^Z / Σ e^Z", "source": "def softmax(Z, P): …"},
                ]
            },
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
            error_response(TooLarge, "response_too_large", "too_many_operations"),
            error_response(Damaged, "dataset_damaged", "dataset_unreadable", "version_damaged", "version_unreadable"),
            *PREPARATION,
            error_response(Unavailable, "memory_busy"),
        ),
    )
    def step() -> Response:
        """Plain gradient descent on one image, without dropout and augmentation; nothing is stored.

        With a model its version's weights take the step, otherwise those that a preset begins with. `check` compares
        a derivative with the slope of the loss; with the order `layerwise`, derivatives of the lower layers differ from
        it. `losses` shows how training continues on the following images of the split.
        """
        wanted = from_json(LessonRequest, limits)
        manifest, arrays = store.load(built_in.get(wanted.dataset).id, anew=False)
        if wanted.split not in arrays.splits:
            raise _invalid("split", f"must be a split of this data set: {', '.join(arrays.splits)}; got {wanted.split}")
        images, labels = arrays.splits[wanted.split]
        if wanted.index >= len(labels):
            raise _invalid("index", f"must be less than the number of images, {len(labels)}; got {wanted.index}")
        name, version, network, parameters, classes = _start(wanted, models, manifest, limits)
        label = wanted.label if wanted.label is not None else manifest.classes[int(labels[wanted.index])]
        if label not in classes:
            raise _invalid("label", f"must be a class: {', '.join(classes[:20])}; got {json.dumps(label)}")
        _check_operations(network, wanted.losses, limits)
        standardization = network.standardization(parameters) if wanted.model is not None else None
        numbers = {each: number for number, each in enumerate(classes)}

        def image(index: int) -> tuple[NDArray[Any], int]:
            X = np.empty((1, math.prod(network.image_shape)), network.dtype)
            inputs.scale(images[index].reshape(1, -1), X, standardization)
            own = label if index == wanted.index else manifest.classes[int(labels[index])]
            if own not in numbers:
                raise _invalid("losses", f"image {index} has the class {json.dumps(own)}, which the model lacks")
            return X, numbers[own]

        layers, activation, rate = network.dense_layers(parameters), network.activation, wanted.rate
        layerwise = wanted.update_order == "layerwise"
        following = range(wanted.index, min(wanted.index + wanted.losses, len(labels)))
        with np.errstate(all="ignore"):  # a large rate may overflow
            losses = lesson.losses(layers, activation, map(image, following), rate, layerwise=layerwise)
            X, y = image(wanted.index)
            steps = lesson.lesson(layers, activation, X, y, rate, layerwise=layerwise)
            arrays_of_step = {each.name: each.values for each in steps}
            check = _check(wanted.check, arrays_of_step, layers, activation, X, y) if wanted.check else None
        document: dict[str, Any] = {
            "model": name,
            "version": version,
            "activation": activation.name,
            "classes": list(classes),
        }
        document |= {"label": label, "rate": rate, "update_order": wanted.update_order}
        document["steps"] = [
            {"name": each.name, "operation": each.operation, "shape": list(each.values.shape)} for each in steps
        ]
        document |= {"check": check, "losses": [_finite(loss) for loss in losses]}
        response = _response(document, arrays_of_step)
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
    """Hold the memory of a lesson: weights before and after, derivatives. Raises `TooLarge` or `Unavailable`."""
    size = 4 * network.layout.size * network.dtype.itemsize
    most = limits.max_online_response_bytes
    if size > most:
        raise TooLarge(
            "response_too_large",
            f"the arrays of this step have {size} bytes, and GLASSBOX_MAX_ONLINE_RESPONSE_BYTES is {most}; use a"
            " smaller network",
        )
    held(request.environ).response(2 * size)


class _Start(NamedTuple):
    """The network before the step; a preset's has no model and version."""

    model: str | None
    version: int | None
    network: Network
    parameters: Parameters
    classes: Sequence[str]


def _start(wanted: LessonRequest, models: OnlineModels, manifest: Manifest, limits: Settings) -> _Start:
    if wanted.model is None:
        network = Network(
            manifest.image_shape, len(manifest.classes), preset(wanted.preset, seed=wanted.seed, dtype="float64")
        )
        _check_size(network, limits)
        return _Start(None, None, network, network.initialize(np.random.default_rng(wanted.seed)), manifest.classes)
    classifier = models.classifier(wanted.model, wanted.version)
    network, found = classifier.network, classifier.version
    if network.architecture is not None:
        raise _invalid(
            "model",
            "must be a network of dense layers alone, as those of the presets article and fast; this one has"
            " convolutions",
        )
    if network.image_shape != tuple(manifest.image_shape):
        shapes = f"{list(network.image_shape)}, and those of the data set {list(manifest.image_shape)}"
        raise _invalid("dataset", f"must have images of the network's shape, which is {shapes}")
    _check_size(network, limits)
    return _Start(found.model, found.version, network, classifier.parameters, found.classes)


def _check_operations(network: Network, steps: int, limits: Settings) -> None:
    """Limit the computation of `losses`. Raises `TooLarge`."""
    operations, most = PASSES * steps * network.layout.size, limits.max_online_operations
    if operations > most:
        raise TooLarge(
            "too_many_operations",
            f"{steps} steps take about {operations} multiply-adds, and GLASSBOX_MAX_ONLINE_OPERATIONS is {most}; use"
            " fewer losses",
        )


def _check(
    wanted: LessonCheckRequest,
    arrays: dict[str, NDArray[Any]],
    layers: Sequence[tuple[NDArray[Any], NDArray[Any]]],
    activation: Activation,
    X: NDArray[Any],
    y: int,
) -> LessonCheckView:
    parameter = wanted.parameter
    if parameter not in arrays:
        names = ", ".join(name for name in arrays if name[0] in "Wb" and name[-1] != "'")
        raise _invalid("check/parameter", f"must be one of {names}; got {parameter}")
    values, derivatives = arrays[parameter], arrays[f"d{parameter}"]
    if wanted.index is None:
        largest = np.argmax(np.abs(derivatives))
        index = tuple(map(int, np.unravel_index(largest, derivatives.shape)))
    else:
        index = tuple(wanted.index)
    if len(index) != values.ndim or not all(0 <= at < size for at, size in zip(index, values.shape, strict=True)):
        raise _invalid(
            "check/index", f"must be a place in {parameter}, whose shape is {list(values.shape)}; got {list(index)}"
        )
    lower, higher = lesson.moved_losses(layers, activation, X, y, parameter, index)
    return {
        "parameter": parameter,
        "index": list(index),
        "value": _finite(values[index]),
        "derivative": _finite(derivatives[index]),
        "move": lesson.MOVE,
        "losses": [_finite(lower), _finite(higher)],
        "slope": _finite((higher - lower) / (2 * lesson.MOVE)),
    }


def _finite(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


@cache
def _lessons() -> LessonsView:
    return {
        "update_orders": list(UPDATE_ORDERS),
        "activations": {
            name: [
                {"name": each, "formula": formula, "source": lesson.sources(activation).get(each)}
                for each, formula in lesson.FORMULAS.items()
            ]
            for name, activation in ACTIVATIONS.items()
        },
    }


def _invalid(field: str, reason: str) -> Invalid:
    return Invalid("validation_failed", f"{field}: {reason}", [FieldError(reason, pointer=f"#/{field}")])
