"""`POST /v1/models/{name}/versions/{ref}/predict`: online predictions for a few images."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NotRequired

import numpy as np
from flask import Blueprint, Response, request
from numpy.typing import NDArray
from pydantic import Field, with_config
from typing_extensions import TypedDict

from api.loaded_models import OnlineModels
from api.requests.bodies import fast_json
from api.requests.bodies.body import FOR_MORE, whole_body
from api.requests.bodies.forms import options_of
from api.requests.online.files import decoded_images, read_images
from api.requests.online.instances import images_of
from api.requests.online.inversion import INVERT, chosen_invert
from api.requests.online.memory import held
from api.requests.online.sizes import check_response
from api.requests.validation import RequestModel, from_texts
from api.schema.examples import shown_as
from api.schema.operations import UploadSpec, error_response, operation
from shared.errors import (
    Conflict,
    Damaged,
    FieldError,
    Invalid,
    Malformed,
    NotFound,
    TooLarge,
    Unavailable,
    UnsupportedType,
)
from shared.images.inversion import invert, inverted_warning
from shared.images.number_range import almost_black, almost_black_warning
from shared.jobs.specifications import Invert
from shared.registry.classifier import Classifier
from shared.results.lines import Best
from shared.runtime.settings import Settings

BLOCK = 1024  # images that are classified at once
OBJECTS = 16_384  # classes of predictions that are Python objects at once
ENTRY = 40  # bytes of a class in the response, besides its name


class PredictOptions(RequestModel):
    """Options of a prediction."""

    top_k: int = Field(1, ge=1, description="number of most probable classes to return")
    invert: Invert = Field("auto", description=INVERT)


class PredictionView(TypedDict):
    """The prediction for one image: the most probable class, and the `top_k` most probable classes."""

    label: str
    confidence: float
    top: list[Best]


@with_config(
    shown_as(
        {
            "model": "digits",
            "version": 3,
            "predictions": [{"label": "7", "confidence": 0.9991, "top": [{"label": "7", "probability": 0.9991}]}],
            "look_inverted": 0,
        }
    )
)
class PredictionsView(TypedDict):
    """One prediction for each image, in the order of the request.

    `look_inverted` counts the images in which light and dark are exchanged against the training images, before any
    inversion; it is null if the version does not describe them. `warnings` says what makes the predictions doubtful; it
    is missing if there are none.
    """

    model: str
    version: int
    predictions: list[PredictionView]
    look_inverted: int | None
    warnings: NotRequired[list[str]]


class Instances(RequestModel):
    """Images as numbers, for the OpenAPI document only; `images_of` parses requests."""

    model_config = shown_as(
        {"instances": [[0, 64, 128, 255]]},
        {"instances": [[[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]]]},
    ) | {"extra": "forbid"}

    instances: list[Any] = Field(
        description=(
            "images, each a flat list of numbers, or a list of rows; a pixel of a model in colour is a list of R, G and"
            " B. The numbers of all images together range from 0 to 255, or, if they are not integers, from 0 to 1;"
            " integers whose largest is 1 are black and white, with a warning"
        )
    )


IMAGES = UploadSpec(
    "image",
    "One image; a form with parts `image`, one for each image; or JSON with images as numbers.",
    json=Instances,
)


def blueprint(models: OnlineModels, limits: Settings) -> Blueprint:
    """Return the prediction route."""
    routes = Blueprint("predictions", __name__)

    @routes.post("/v1/models/<name>/versions/<reference>/predict")
    @operation(
        "Predict",
        scope="read",
        query=PredictOptions,
        body=IMAGES,
        responses={200: PredictionsView},
        errors=(
            error_response(NotFound, "model_not_found", "version_not_found", "version_deleted"),
            error_response(Conflict, "model_unloaded", "model_too_large"),
            error_response(Malformed, "malformed_json", "malformed_form", "body_cut_short", "body_damaged"),
            error_response(
                TooLarge,
                *(
                    "body_too_large",
                    "form_too_large",
                    "too_many_images",
                    "request_too_large",
                    "response_too_large",
                    "too_many_operations",
                ),
            ),
            error_response(UnsupportedType, "encoding_unknown"),
            error_response(Invalid, "validation_failed", "file_expected", "image_*", "not_an_image", "invalid_images"),
            error_response(Damaged, "version_damaged", "version_unreadable"),
            error_response(Unavailable, "memory_busy"),
        ),
    )
    def predict(name: str, reference: str) -> Response:
        """The numbers of all images have one range, 0 to 255 or 0 to 1. If one image is invalid, the request fails.

        Image files are converted to the model's channels; numbers of another number of channels are rejected.
        """
        models.check(name, reference)
        memory = held(request.environ)
        body = whole_body(limits.limit("max_online_bytes"), FOR_MORE)
        classifier = models.classifier(name, reference)
        shape = classifier.version.image_shape
        warnings: list[str] = []
        if request.mimetype == "application/json":
            options = from_texts(PredictOptions, request.args)
            document = fast_json.read(body, limits.limit("max_online_json_bytes"))
            images, warnings = images_of(document, shape)
            del document  # it takes a multiple of the images' memory
        else:
            contents, texts = read_images(body, PredictOptions, limits)
            options = from_texts(PredictOptions, options_of(texts))
            memory.body(len(body) + len(contents) * math.prod(shape))
            images = decoded_images(contents, shape, limits)
            if dark := int(almost_black(images).sum()):
                warnings.append(almost_black_warning(dark, len(images)))
        check_top_k(options.top_k, classifier)
        each = (1 + options.top_k) * (ENTRY + classifier.longest_name)
        check_response(len(images), each, classifier, limits, memory)
        version = classifier.version
        mode = chosen_invert(options.invert, options, version)
        look_inverted = invert(images, mode, version.brightness)
        if look_inverted and mode == "never":
            warnings.append(inverted_warning(look_inverted, len(images), f"{version.model}@{version.version}"))
        members: dict[str, Any] = {
            "model": version.model,
            "version": version.version,
            "predictions": fast_json.joined(_predictions(classifier, images, options.top_k)),
            "look_inverted": look_inverted if version.brightness else None,
        }
        if warnings:
            members["warnings"] = warnings
        return fast_json.json_response(members)

    return routes


def check_top_k(top_k: int, classifier: Classifier) -> None:
    """Raise `Invalid` if the model has fewer than `top_k` classes."""
    classes = len(classifier.version.classes)
    if top_k > classes:
        reason = f"must be at most {classes}, the model's classes; got {top_k}"
        raise Invalid("validation_failed", f"top_k: {reason}", [FieldError(reason, parameter="top_k")])


def _predictions(classifier: Classifier, images: NDArray[np.uint8], top_k: int) -> Iterator[list[PredictionView]]:
    """Iterate over the predictions, a few at a time, because Python's objects take a multiple of their JSON's size."""
    names = classifier.version.classes
    step = max(1, OBJECTS // top_k)
    for block in range(0, len(images), BLOCK):
        responses = classifier.classify(images[block : block + BLOCK], top_k)
        for start in range(0, len(responses.labels), step):
            predictions: list[PredictionView] = []
            stop = start + step
            for labels, probabilities in zip(
                responses.labels[start:stop].tolist(), responses.probabilities[start:stop], strict=True
            ):
                top: list[Best] = [
                    {"label": names[label], "probability": p} for label, p in zip(labels, probabilities, strict=True)
                ]
                predictions.append({"label": top[0]["label"], "confidence": top[0]["probability"], "top": top})
            yield predictions
