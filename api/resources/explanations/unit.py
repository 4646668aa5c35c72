"""`POST /v1/models/{name}/versions/{ref}/explain/unit`: one unit's weights, and the terms of its sum for one image."""

from __future__ import annotations

import math
from typing import Any, NotRequired

import numpy as np
from flask import Blueprint, Response, request
from numpy.typing import NDArray
from pydantic import Field, with_config
from typing_extensions import TypedDict

from api.loaded_models import OnlineModels
from api.requests.bodies import fast_json
from api.requests.online.memory import held
from api.resources.explanations.one_image import BODY, ERRORS, ImageOptions, OneImageReader
from api.schema.examples import shown_as
from api.schema.operations import operation
from shared.errors import FieldError, Invalid, TooLarge
from shared.network import Network
from shared.network.attribution.score import pass_bytes
from shared.network.attribution.trace import trace
from shared.network.attribution.unit import Place, Unit, layer_shapes, unit
from shared.network.settings.validation import shown
from shared.registry.classifier import Classifier
from shared.runtime.settings import Settings

TOP = 12
MOST_TERMS = 100
MOST_LISTED = 20  # layers or classes in a message
NUMBER = 14  # bytes of a number in JSON, at most on average


class UnitOptions(ImageOptions):
    """Which unit, and how many of its terms."""

    layer: str = Field(max_length=20, description="`layer1`, `layer2`, …; the last one has a unit for each class")
    unit: int = Field(ge=0, lt=2**31, description="index of the unit, or of the filter of a block, from 0")
    row: int | None = Field(
        None,
        ge=0,
        lt=2**31,
        description="row of the place in a filter's map; by default that of its largest activation",
    )
    column: int | None = Field(None, ge=0, lt=2**31, description="column of this place; given together with `row`")
    top: int = Field(TOP, ge=1, le=MOST_TERMS, description="number of the largest terms to return")


class UnitLayerView(TypedDict):
    """A layer. `kind` is `convolutional`, `dense` or, of the last one, `output`, whose activation is softmax."""

    name: str
    kind: str
    activation: str
    shape: list[int]


class PlaceView(TypedDict):
    """A row and a column, from 0; of a window also negative, in the padding."""

    row: int
    column: int


class TermView(TypedDict):
    """A term w x of the sum: the place of its input, [unit], [row, column] or [row, column, channel], and w, x, w x."""

    index: list[int]
    weight: float
    input: float
    value: float


class OtherTermsView(TypedDict):
    """The number of all other terms, and their sum."""

    count: int
    value: float


@with_config(
    shown_as(
        {
            "model": "digits",
            "version": 3,
            "layer": {"name": "layer1", "kind": "dense", "activation": "relu", "shape": [3]},
            "unit": 1,
            "label": None,
            "place": None,
            "window": None,
            "weights": [[0.2, 0.9], [-0.4, 0.1]],
            "inputs": [[0.0, 1.0], [0.25, 0.0]],
            "terms": [{"index": [0, 1], "weight": 0.9, "input": 1.0, "value": 0.9}],
            "rest": {"count": 3, "value": -0.1},
            "bias": 0.45,
            "z": 1.25,
            "activation": 1.25,
        }
    )
)
class UnitView(TypedDict):
    """One unit of a network for one image: z = x · w + b, which is the sum of `terms`, `rest` and `bias`.

    `weights` w and `inputs` x have the shape of the layer's input, or of a filter, (k, k) or (k, k, channels), whose
    first row and column in the input is `window`. A unit of the last layer has a class, `label`, whose probability is
    its `activation`.
    """

    model: str
    version: int
    layer: UnitLayerView
    unit: int
    label: str | None
    place: PlaceView | None
    window: PlaceView | None
    weights: list[Any]
    inputs: list[Any]
    terms: list[TermView]
    rest: OtherTermsView
    bias: float
    z: float
    activation: float
    warnings: NotRequired[list[str]]


def blueprint(models: OnlineModels, images: OneImageReader, limits: Settings) -> Blueprint:
    """Return the route of units."""
    routes = Blueprint("unit", __name__)

    @routes.post("/v1/models/<name>/versions/<reference>/explain/unit")
    @operation(
        "Open a unit",
        scope="read",
        query=UnitOptions,
        body=BODY,
        responses={200: UnitView},
        errors=ERRORS,
    )
    def show(name: str, reference: str) -> Response:
        """The weights of one unit or filter, and the largest terms of the sum that it activates, for one image.

        A batch normalization is folded into the weights and the bias; the inputs of the first layer are standardized if
        the network standardizes them.
        """
        models.check(name, reference)
        classifier = models.classifier(name, reference)
        found = images.read(classifier.version, UnitOptions)
        options, network = found.options, classifier.network
        layer = _layer(network, options.layer)
        place = _place(network, layer, options, classifier.version.classes)
        _check_size(classifier, layer, limits)
        seen = trace(network, classifier.parameters, found.pixels)
        opened = unit(network, classifier.parameters, found.pixels, seen, layer, options.unit, place)
        document = {
            "model": classifier.version.model,
            "version": classifier.version.version,
            "layer": _views(network)[layer],
            "unit": options.unit,
            "label": classifier.version.classes[options.unit] if layer == len(seen.activations) else None,
            **_sum(opened, options.top),
        }
        return fast_json.json_response(document | ({"warnings": found.warnings} if found.warnings else {}))

    return routes


def _views(network: Network) -> list[UnitLayerView]:
    shapes = layer_shapes(network)
    blocks = len(network.configuration.convolutions)
    kinds = ["convolutional"] * blocks + ["dense"] * (len(shapes) - blocks - 1) + ["output"]
    return [
        {
            "name": f"layer{number}",
            "kind": kind,
            "activation": "softmax" if kind == "output" else network.activation.name,
            "shape": list(shape),
        }
        for number, (kind, shape) in enumerate(zip(kinds, shapes, strict=True), start=1)
    ]


def _layer(network: Network, name: str) -> int:
    """Return the index of a layer. Raises `Invalid`, which lists those that exist."""
    views = _views(network)
    for index, view in enumerate(views):
        if view["name"] == name:
            return index
    listed = [f"{view['name']} ({view['kind']}, {' × '.join(map(str, view['shape']))})" for view in views]
    raise _invalid("layer", f"must be a layer of the network: {_listed(listed)}; got {shown(name)}")


def _place(network: Network, layer: int, options: UnitOptions, classes: tuple[str, ...]) -> Place | None:
    """Return the place that the options name. Raises `Invalid` if the layer has no such place, or no such unit."""
    *sides, units = layer_shapes(network)[layer]
    if options.unit >= units:
        named = f"the classes {_listed(classes)}" if layer == len(layer_shapes(network)) - 1 else ""
        what = named or (f"{units} filters" if sides else f"{units} units")
        raise _invalid("unit", f"must be from 0 to {units - 1}: {options.layer} has {what}; got {options.unit}")
    given = {"row": options.row, "column": options.column}
    if not sides:
        for parameter, value in given.items():
            if value is not None:
                raise _invalid(parameter, f"{options.layer} is not convolutional, its units have no place; got {value}")
        return None
    if options.row is None and options.column is None:
        return None
    for (parameter, value), side in zip(given.items(), sides, strict=True):
        if value is None:
            raise _invalid(parameter, "must be given together with the other coordinate")
        if value >= side:
            size = " × ".join(map(str, sides))
            raise _invalid(parameter, f"must be from 0 to {side - 1}: {options.layer} has {size} places; got {value}")
    assert options.row is not None
    assert options.column is not None
    return options.row, options.column


def _check_size(classifier: Classifier, layer: int, limits: Settings) -> None:
    """Hold the memory of the response. Raises `TooLarge` for too much work or too large a response, `Unavailable`."""
    network, allowed = classifier.network, limits.max_online_operations
    operations = 2 * classifier.operations  # the places of a filter are computed again
    if operations > allowed:
        raise TooLarge(
            "too_many_operations",
            f"a unit of this network takes about {operations} multiply-adds, and GLASSBOX_MAX_ONLINE_OPERATIONS is"
            f" {allowed}",
        )
    inputs = math.prod(network.image_shape if layer == 0 else layer_shapes(network)[layer - 1])
    size = NUMBER * (2 * inputs + 8 * MOST_TERMS)
    most = limits.max_online_response_bytes
    if size > most:
        raise TooLarge(
            "response_too_large",
            f"the response would have up to {size} bytes for {inputs} weights and inputs, and"
            f" GLASSBOX_MAX_ONLINE_RESPONSE_BYTES is {most}",
        )
    held(request.environ).response(size + pass_bytes(network, 1) + classifier.version.weights.bytes)


def _sum(opened: Unit, top: int) -> dict[str, Any]:
    """Return the sum of a unit. Terms of 0 belong to the rest."""
    terms = opened.terms
    flat = terms.reshape(-1)
    order = np.argsort(-np.abs(flat), kind="stable")[:top]
    order = order[flat[order] != 0]
    return {
        "place": _point(opened.place),
        "window": _point(opened.window),
        "weights": np.ascontiguousarray(opened.weights),
        "inputs": np.ascontiguousarray(opened.inputs),
        "terms": [_term(opened, terms, int(at)) for at in order],
        "rest": {"count": len(flat) - len(order), "value": float(np.delete(flat, order).sum())},
        "bias": opened.bias,
        "z": opened.z,
        "activation": opened.activation,
    }


def _term(opened: Unit, terms: NDArray[Any], at: int) -> TermView:
    index = [int(each) for each in np.unravel_index(at, terms.shape)]
    place = tuple(index)
    if opened.window is not None:
        index[:2] = index[0] + opened.window[0], index[1] + opened.window[1]
    return {
        "index": index,
        "weight": float(opened.weights[place]),
        "input": float(opened.inputs[place]),
        "value": float(terms[place]),
    }


def _point(place: Place | None) -> PlaceView | None:
    return None if place is None else {"row": place[0], "column": place[1]}


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names[:MOST_LISTED]) + (", …" if len(names) > MOST_LISTED else "")


def _invalid(parameter: str, reason: str) -> Invalid:
    return Invalid("validation_failed", f"{parameter}: {reason}", [FieldError(reason, parameter=parameter)])
