"""`POST /v1/models/{name}/versions/{ref}/predict`: images in, classes out, at once."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from flask import Blueprint, Response, request
from numpy.typing import NDArray
from pydantic import Field, with_config
from typing_extensions import TypedDict
from werkzeug.exceptions import HTTPException
from werkzeug.formparser import FormDataParser

from api.loaded_models import OnlineModels
from api.requests import fast_json
from api.requests.body import FOR_MORE, whole_body
from api.requests.validation import RequestModel, from_texts
from api.schema.examples import shown_as
from api.schema.operations import UploadSpec, error_response, operation
from shared.errors import Conflict, Damaged, FieldError, Invalid, Malformed, NotFound, TooLarge, UnsupportedType
from shared.images.decoding import decode_into, invert
from shared.jobs.specifications import Invert
from shared.registry.classifier import Classifier
from shared.results.lines import Best
from shared.runtime.settings import Settings

TOLD = 20  # of the instances that are wrong


class PredictOptions(RequestModel):
    """How to answer, and what to do to the images before."""

    top_k: int = Field(1, ge=1, description="how many of the most probable classes to tell")
    invert: Invert = Field("never", description="turn dark on bright into bright on dark; `auto` goes by the border")


class PredictionView(TypedDict):
    """What the model says of one image: the most probable class, and the `top_k` most probable ones."""

    label: str
    confidence: float
    top: list[Best]


@with_config(
    shown_as(
        {
            "model": "digits",
            "version": 3,
            "predictions": [{"label": "7", "confidence": 0.9991, "top": [{"label": "7", "probability": 0.9991}]}],
        }
    )
)
class PredictionsView(TypedDict):
    """One prediction for each image, in the order of the request."""

    model: str
    version: int
    predictions: list[PredictionView]


class Instances(RequestModel):
    """Images as numbers; for the document alone, a request is read by `api/resources/predictions.py`."""

    model_config = shown_as({"instances": [[0, 64, 128, 255]]}) | {"extra": "forbid"}

    instances: list[Any] = Field(description="images, each a list of its greys from 0 to 255, or a list of such rows")


IMAGES = UploadSpec(
    "image",
    "An image; in a form any number of parts `image`; or images as numbers, in JSON.",
    ("image/png", "image/jpeg", "application/octet-stream"),
    json=Instances,
)


def blueprint(models: OnlineModels, limits: Settings) -> Blueprint:
    """The route that predicts."""
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
            error_response(Conflict, "model_unloaded"),
            error_response(Malformed, "malformed_json", "malformed_form", "body_cut_short", "body_damaged"),
            error_response(TooLarge, "body_too_large", "form_too_large", "too_many_images"),
            error_response(UnsupportedType, "encoding_unknown"),
            error_response(Invalid, "validation_failed", "file_expected", "image_*", "not_an_image", "invalid_images"),
            error_response(Damaged, "version_damaged"),
        ),
    )
    def predict(name: str, reference: str) -> Response:
        """Numbers are greys from 0 to 255, or from 0 to 1. One image that cannot be read refuses the request."""
        classifier = models.classifier(name, reference)
        body = whole_body(limits.max_online_bytes, FOR_MORE)
        if request.mimetype == "application/json":
            options = from_texts(PredictOptions, request.args)
            document = fast_json.read(body, limits.max_online_json_bytes)
            images = images_of(document, classifier.version.image_shape)
        else:
            contents, texts = _form(body, limits) if request.mimetype == "multipart/form-data" else ([body], {})
            options = from_texts(PredictOptions, {**request.args.to_dict(), **texts})
            images = _decoded(contents, classifier.version.image_shape, limits)
        check_top_k(options.top_k, classifier)
        invert(images, options.invert)
        return fast_json.answer(
            {
                "model": classifier.version.model,
                "version": classifier.version.version,
                "predictions": _predictions(classifier, images, options.top_k),
            }
        )

    return routes


def check_top_k(top_k: int, classifier: Classifier) -> None:
    """Raise `Invalid` where the model has fewer classes than are wanted."""
    classes = len(classifier.version.classes)
    if top_k > classes:
        reason = f"the model has only {classes} classes"
        raise Invalid("validation_failed", f"top_k: {reason}", [FieldError(reason, parameter="top_k")])


def _form(body: bytes, limits: Settings) -> tuple[list[bytes], Mapping[str, str]]:
    """The parts `image` of a form, and its other parts."""
    parser = FormDataParser(
        stream_factory=lambda *_, **__: io.BytesIO(),
        max_form_memory_size=limits.max_json_bytes,
        max_form_parts=limits.max_online_images + len(PredictOptions.model_fields),
        silent=False,
    )
    try:
        _, form, files = parser.parse(io.BytesIO(body), request.mimetype, len(body), request.mimetype_params)
    except HTTPException as error:
        raise TooLarge(
            "form_too_large",
            f"a form may have at most {limits.max_online_images} images, more belong in a batch, and beside them"
            f" {limits.max_json_bytes} bytes",
        ) from error
    except ValueError as error:
        raise Malformed("malformed_form", f"the form cannot be read: {error}") from error
    if list(files) != ["image"]:
        raise Invalid("file_expected", "send images, as files in the parts 'image' of the form")
    return [part.stream.read() for part in files.getlist("image")], form.to_dict()


def _decoded(contents: list[bytes], shape: tuple[int, int], limits: Settings) -> NDArray[np.uint8]:
    """The images (N, H, W); raises `Invalid`, which names each that cannot be read."""
    if len(contents) > limits.max_online_images:
        raise TooLarge("too_many_images", f"at most {limits.max_online_images} images are taken; use a batch for more")
    images = np.empty((len(contents), *shape), np.uint8)
    wrong: list[tuple[str, FieldError]] = []
    for index, content in enumerate(contents):
        try:
            decode_into(images[index], content, limits.max_image_pixels)
        except Malformed as error:
            wrong.append((error.code, FieldError(error.detail, parameter=f"image[{index}]")))
    if wrong:
        code = wrong[0][0] if len(wrong) == 1 else "invalid_images"
        fields = [field for _, field in wrong]
        raise Invalid(code, "; ".join(f"{field.parameter}: {field.detail}" for field in fields), fields)
    return images


def _predictions(classifier: Classifier, images: NDArray[np.uint8], top_k: int) -> list[PredictionView]:
    responses = classifier.classify(images, top_k)
    names = classifier.version.classes
    predictions: list[PredictionView] = []
    for labels, probabilities in zip(responses.labels.tolist(), responses.probabilities, strict=True):
        top: list[Best] = [
            {"label": names[label], "probability": p} for label, p in zip(labels, probabilities, strict=True)
        ]
        predictions.append({"label": top[0]["label"], "confidence": top[0]["probability"], "top": top})
    return predictions


def images_of(document: Any, image_shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The instances as images (N, H, W).

    An instance is a list of H·W numbers, or H lists of W: greys from 0 to 255 as data sets have them, rounded to whole
    ones; or from 0 to 1, where none of its numbers is above 1. Raises `Invalid`, which names those that are wrong.
    """
    if not isinstance(document, dict) or not isinstance(document.get("instances"), list) or not document["instances"]:
        raise _invalid_instances([FieldError("must be a list of at least one image", pointer="#/instances")])
    if unknown := sorted(document.keys() - {"instances"}):
        raise _invalid_instances(
            [FieldError("is not a field of this request", pointer=f"#/{name}") for name in unknown]
        )
    instances = document["instances"]
    numbers = _numbers(instances)
    if numbers is None or numbers.shape[1:] not in {image_shape, (math.prod(image_shape),)}:
        raise _invalid_instances(_wrong(instances, image_shape))
    rows = numbers.reshape(len(numbers), -1).astype(np.float64)
    lowest, highest = rows.min(axis=1), rows.max(axis=1)
    fits = (lowest >= 0) & (highest <= 255)  # neither is true of NaN, which JSON does not have
    if not fits.all():
        raise _invalid_instances(_out_of_range(np.flatnonzero(~fits)))
    rows[highest <= 1] *= 255
    return np.rint(rows).astype(np.uint8).reshape(len(rows), *image_shape)


def _numbers(value: Any) -> NDArray[Any] | None:
    """The numbers as an array; None where they are no block of numbers."""
    try:
        array = np.array(value)
    except (ValueError, OverflowError):
        return None
    return array if array.dtype.kind in "iuf" else None


def _wrong(instances: list[Any], image_shape: tuple[int, int]) -> list[FieldError]:
    """What is wrong with each instance by itself; with all of them where each is right, but differs from the others."""
    height, width = image_shape
    expected = f"must be {height * width} numbers, or {height} lists of {width}"
    shapes = {image_shape, (height * width,)}
    wrong = []
    for index, instance in enumerate(instances):
        numbers = _numbers(instance)
        if numbers is None or numbers.shape not in shapes:
            wrong.append(FieldError(expected, pointer=f"#/instances/{index}"))
    return wrong[:TOLD] or [FieldError(f"each {expected}, and all in the same way", pointer="#/instances")]


def _out_of_range(indices: NDArray[np.intp]) -> list[FieldError]:
    reason = "has numbers that are no greys: they go from 0 to 255, or from 0 to 1"
    return [FieldError(reason, pointer=f"#/instances/{index}") for index in indices[:TOLD].tolist()]


def _invalid_instances(fields: list[FieldError]) -> Invalid:
    return Invalid("validation_failed", "; ".join(f"{field.pointer}: {field.detail}" for field in fields), fields)
