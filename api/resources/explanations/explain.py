"""`POST /v1/models/{name}/versions/{ref}/explain`: what a network computes for one image, and which pixels mattered."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NotRequired

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
from api.resources.explanations.one_image import BODY, ERRORS, Found, ImageOptions, OneImageReader
from api.schema.examples import shown_as
from api.schema.operations import MediaType, operation
from shared.errors import FieldError, Invalid, TooLarge
from shared.network.attribution import baselines
from shared.network.attribution.attribution import STEPS, Attribution, Method, Smoothing, Work, attribute, work
from shared.network.attribution.baselines import Baseline
from shared.network.attribution.integration import Rule
from shared.network.attribution.randomization import randomized, rank_correlation
from shared.network.attribution.score import Score, pass_bytes
from shared.network.attribution.trace import Trace, activation_shapes, trace
from shared.network.settings.validation import shown
from shared.registry.classifier import Classifier
from shared.runtime.settings import Settings

MOST_STEPS = 512
MOST_SAMPLES = 64
MOST_LISTED = 20  # classes in a message
BACKWARD = 2  # products of a backward pass, in forward passes
NUMBER = 14  # bytes of a number in JSON, at most on average
PIXEL = 4  # bytes of a pixel from 0 to 255 in JSON
OTHERS = 2048  # bytes of the JSON without arrays and classes, at most on average

JSON, BINARY = "application/json", "application/octet-stream"
TENSORS = MediaType(
    BINARY,
    "a safetensors file: `logits` and `probabilities` (classes,), `layer1`, `layer2`, … with the activations,"
    " `attribution` and `control` (H, W) or (H, W, 3), `input` uint8; in `__metadata__` `explanation`, the JSON without"
    " these arrays. The response to a request whose `Accept` prefers this type",
)


class ExplainOptions(ImageOptions):
    """What to explain, and by which method."""

    method: Method = Field("integrated_gradients", description="method of attribution (docs/mathematics.md)")
    target: str | None = Field(None, max_length=255, description="class to explain; by default the predicted one")
    against: str | None = Field(
        None, max_length=255, description="class to compare with: the difference of both logits is explained"
    )
    steps: int = Field(
        STEPS, ge=1, le=MOST_STEPS, description="number of gradients that integrated gradients average; else ignored"
    )
    rule: Rule = Field(
        "adaptive",
        description="how integrated gradients choose the places and weights of the steps (docs/mathematics.md); else"
        " ignored",
    )
    baseline: Baseline = Field(
        "black", description="image to compare with, for integrated gradients and occlusion; else ignored"
    )
    smooth: int = Field(
        0, ge=0, le=MOST_SAMPLES, description="number of copies with noise to average (SmoothGrad); 0 turns it off"
    )
    random_weights_seed: int | None = Field(
        None, ge=0, lt=2**63, description="seed of random weights, for which the same map is returned as `control`"
    )


class ExplainedInputView(TypedDict):
    """The image as the network gets it: resized, inverted if so chosen, as numbers from 0 to 255, by row.

    `changes` says what was changed in a file or an image of another size: resized, rotated upright, its colours
    converted. `label` is the class of an image of a data set.
    """

    pixels: list[Any]
    inverted: bool
    changes: list[str]
    label: str | None


class ExplainedPredictionView(TypedDict):
    """The most probable class."""

    label: str
    confidence: float


class LayerActivationsView(TypedDict):
    """The activations of a layer: `units` numbers of a dense layer, or rows of places with a number for each filter."""

    name: str
    kind: str
    activation: str
    shape: list[int]
    activations: list[Any]


class CompletenessView(TypedDict):
    """The sum of the map, the difference of the scores of image and baseline, and the gap: sum less difference.

    `correction` is what the rule `adaptive` added to the sum because of the difference: `gap` less `correction` is the
    error of the integral. It is 0 for the rule `midpoint` and for other methods.
    """

    sum: float
    difference: float
    gap: float
    correction: float


class ControlView(TypedDict):
    """The map with random weights.

    `rank_correlation` is Spearman's coefficient of both maps, over the pixels where at least one of them is not 0.
    """

    seed: int
    values: list[Any]
    rank_correlation: float


class AttributionView(TypedDict):
    """The map: for each pixel, by how much it raises the score. What the method does not use is null.

    The score is the logit of `target`, less that of `against` unless it is null. `completeness` is null for methods
    whose map does not claim a sum.
    """

    method: str
    target: str
    against: str | None
    baseline: str | None
    steps: int | None
    rule: str | None
    smooth: int
    values: list[Any]
    completeness: CompletenessView | None
    control: ControlView | None


@with_config(
    shown_as(
        {
            "model": "digits",
            "version": 3,
            "input": {"pixels": [[0, 255], [64, 0]], "inverted": False, "changes": [], "label": "1"},
            "prediction": {"label": "1", "confidence": 0.9241},
            "classes": ["0", "1"],
            "logits": [-1.1, 1.4],
            "probabilities": [0.0759, 0.9241],
            "layers": [
                {
                    "name": "layer1",
                    "kind": "dense",
                    "activation": "relu",
                    "shape": [3],
                    "activations": [0.0, 1.25, 0.31],
                }
            ],
            "attribution": {
                "method": "integrated_gradients",
                "target": "1",
                "against": None,
                "baseline": "black",
                "steps": 64,
                "rule": "adaptive",
                "smooth": 0,
                "values": [[0.0, 1.7], [-0.21, 0.0]],
                "completeness": {"sum": 1.5, "difference": 1.5, "gap": 0.0, "correction": 0.01},
                "control": {"seed": 0, "values": [[0.0, 0.2], [0.6, 0.0]], "rank_correlation": 0.65},
            },
        }
    )
)
class ExplanationView(TypedDict):
    """The network from the input to the attribution, for one image.

    `logits` and `probabilities` are in the order of `classes`. `warnings` is missing if there are none.
    """

    model: str
    version: int
    input: ExplainedInputView
    prediction: ExplainedPredictionView
    classes: list[str]
    logits: list[float]
    probabilities: list[float]
    layers: list[LayerActivationsView]
    attribution: AttributionView
    warnings: NotRequired[list[str]]


def blueprint(models: OnlineModels, images: OneImageReader, limits: Settings) -> Blueprint:
    """Return the route of explanations."""
    routes = Blueprint("explain", __name__)

    @routes.post("/v1/models/<name>/versions/<reference>/explain")
    @operation(
        "Explain a prediction",
        scope="read",
        query=ExplainOptions,
        body=BODY,
        responses={200: (ExplanationView, TENSORS)},
        errors=ERRORS,
    )
    def explain(name: str, reference: str) -> Response:
        """The activations of every layer, and the attribution of a class's logit to the pixels, for one image.

        The network is the trained one: without dropout, batch normalization with the averages of the training.
        """
        models.check(name, reference)
        classifier = models.classifier(name, reference)
        found = images.read(classifier.version, ExplainOptions)
        _check_size(classifier, found.options, limits)
        with np.errstate(all="ignore"):  # random weights may overflow
            response = _Explanation(classifier, found).response()
        response.vary.add("Accept")
        return response

    return routes


class _Explanation:
    """The explanation of one image."""

    def __init__(self, classifier: Classifier, found: Found[ExplainOptions]) -> None:
        self._classifier = classifier
        self._network = classifier.network
        self._found = found
        self._options = found.options
        self._image = found.pixels.astype(self._network.dtype) * self._network.dtype.type(1 / 255)
        if self._options.method == "occlusion" and self._options.smooth:
            raise _invalid("smooth", "cannot be combined with the method occlusion, which has no gradient")
        self._baseline = self._baseline_image()

    def response(self) -> Response:
        """Compute everything, and return it as JSON or as safetensors."""
        seen = trace(self._network, self._classifier.parameters, self._found.pixels)
        predicted = int(seen.probabilities.argmax())
        target = self._class("target", self._options.target, predicted)
        against = None if self._options.against is None else self._class("against", self._options.against, predicted)
        if target == against:
            names = self._classifier.version.classes
            raise _invalid("against", f"must be another class than the target; both are {names[target]}")
        found = self._attribute(self._classifier.parameters, target, against)
        control = None
        if self._options.random_weights_seed is not None:
            random = randomized(self._network, self._classifier.parameters, self._options.random_weights_seed)
            control = self._attribute(random, target, against)
        arrays = self._arrays(seen, found, control)
        document = self._document(seen, found, control, target, against)
        if accepted.quality(BINARY) > accepted.quality(JSON):
            ordered = dict(sorted(arrays.items(), key=lambda item: -item[1].itemsize))  # as its format demands
            return Response(encode_arrays(ordered, {"explanation": json.dumps(document)}), mimetype=BINARY)
        return fast_json.json_response(_filled(document, arrays))

    def _class(self, parameter: str, name: str | None, default: int) -> int:
        if name is None:
            return default
        classes = self._classifier.version.classes
        if name not in classes:
            listed = ", ".join(classes[:MOST_LISTED]) + (", …" if len(classes) > MOST_LISTED else "")
            raise _invalid(parameter, f"must be a class of the model: {listed}; got {shown(name)}")
        return classes.index(name)

    def _baseline_image(self) -> NDArray[Any]:
        match self._options.baseline:
            case "black":
                return baselines.black(self._image)
            case "blurred":
                return baselines.blurred(self._image)
        standardization = self._network.standardization(self._classifier.parameters)
        if standardization is not None:
            return baselines.mean(self._image, standardization.mean)
        brightness = self._classifier.version.brightness
        if brightness is None:
            raise _invalid("baseline", "the mean of this version's training images is not stored; use black or blurred")
        return baselines.mean(self._image, np.full(self._network.channels, brightness.mean / 255))

    def _attribute(self, parameters: dict[str, NDArray[Any]], target: int, against: int | None) -> Attribution:
        options = self._options
        score = Score(self._network, parameters, target, against, images=_work(self._classifier, options).images)
        smoothing = Smoothing(options.smooth) if options.smooth else None
        return attribute(
            score,
            self._image,
            self._baseline,
            options.method,
            steps=options.steps,
            rule=options.rule,
            smoothing=smoothing,
        )

    def _arrays(self, seen: Trace, found: Attribution, control: Attribution | None) -> dict[str, NDArray[Any]]:
        """Return the arrays of the response by their names in safetensors."""
        dtype = self._network.dtype
        layers = {f"layer{number}": array for number, array in enumerate(seen.activations, start=1)}
        maps = {"attribution": found.values.astype(dtype)}
        if control is not None:
            maps["control"] = control.values.astype(dtype)
        return {
            "logits": seen.logits,
            "probabilities": seen.probabilities,
            **layers,
            **maps,
            "input": self._found.pixels,
        }

    def _document(
        self, seen: Trace, found: Attribution, control: Attribution | None, target: int, against: int | None
    ) -> dict[str, Any]:
        """Return the JSON without the arrays."""
        version, options = self._classifier.version, self._options
        predicted = int(seen.probabilities.argmax())
        is_integrated = options.method == "integrated_gradients"
        baseline = {"gradient": None, "gradient_x_input": "black"}.get(options.method, options.baseline)
        blocks = len(self._network.configuration.convolutions)
        document: dict[str, Any] = {
            "model": version.model,
            "version": version.version,
            "input": {
                "inverted": self._found.inverted,
                "changes": self._found.changes,
                "label": self._found.label,
            },
            "prediction": {
                "label": version.classes[predicted],
                "confidence": float(seen.probabilities[predicted]),
            },
            "classes": list(version.classes),
            "layers": [
                {
                    "name": f"layer{number}",
                    "kind": "convolutional" if number <= blocks else "dense",
                    "activation": self._network.activation.name,
                    "shape": list(array.shape),
                }
                for number, array in enumerate(seen.activations, start=1)
            ],
            "attribution": {
                "method": options.method,
                "target": version.classes[target],
                "against": None if against is None else version.classes[against],
                "baseline": baseline,
                "steps": options.steps if is_integrated else None,
                "rule": options.rule if is_integrated else None,
                "smooth": options.smooth,
                "completeness": _completeness(found),
                "control": None
                if control is None
                else {
                    "seed": options.random_weights_seed,
                    "rank_correlation": rank_correlation(found.values, control.values),
                },
            },
        }
        return document | ({"warnings": self._found.warnings} if self._found.warnings else {})


def _completeness(found: Attribution) -> CompletenessView | None:
    if found.completeness is None:
        return None
    sums = found.completeness
    return {"sum": sums.sum, "difference": sums.difference, "gap": sums.gap, "correction": sums.correction}


def _filled(document: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Put the arrays into the document."""
    document["input"]["pixels"] = arrays["input"]
    document["logits"], document["probabilities"] = arrays["logits"], arrays["probabilities"]
    for layer in document["layers"]:
        layer["activations"] = arrays[layer["name"]]
    document["attribution"]["values"] = arrays["attribution"]
    if "control" in arrays:
        document["attribution"]["control"]["values"] = arrays["control"]
    return document


def _work(classifier: Classifier, options: ExplainOptions) -> Work:
    return work(options.method, classifier.network.image_shape, options.steps, options.smooth or 1, options.rule)


def _check_size(classifier: Classifier, options: ExplainOptions, limits: Settings) -> None:
    """Hold the memory of an explanation. Raises `TooLarge` for too much work or too large a response, `Unavailable`."""
    network = classifier.network
    maps = 1 if options.random_weights_seed is None else 2
    images = _work(classifier, options)
    passes = images.values + (1 + BACKWARD) * images.gradients
    operations, allowed = maps * passes * classifier.operations, limits.max_online_operations
    if operations > allowed:
        raise TooLarge(
            "too_many_operations",
            f"this explanation takes about {operations} multiply-adds, {images.gradients} gradients and"
            f" {images.values} scores for each of {maps} maps, and GLASSBOX_MAX_ONLINE_OPERATIONS is {allowed}; use"
            " fewer steps or copies",
        )
    pixels = math.prod(network.image_shape)
    numbers = sum(map(math.prod, activation_shapes(network))) + maps * pixels + 2 * network.classes
    size = OTHERS + NUMBER * numbers + PIXEL * pixels + network.classes * (classifier.longest_name + 1)
    most = limits.max_online_response_bytes
    if size > most:
        raise TooLarge(
            "response_too_large",
            f"the response would have up to {size} bytes, and GLASSBOX_MAX_ONLINE_RESPONSE_BYTES is {most}; its"
            f" activations are {numbers} numbers",
        )
    weights = classifier.version.weights.bytes * maps  # those with folded normalizations, and random ones
    held(request.environ).response(size + pass_bytes(network, images.images) + weights)


def _invalid(parameter: str, reason: str) -> Invalid:
    return Invalid("validation_failed", f"{parameter}: {reason}", [FieldError(reason, parameter=parameter)])
