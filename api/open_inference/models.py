"""`GET /v2/models/{model}`: a model's input and output tensors, and its readiness."""

from __future__ import annotations

import math

from flask import Blueprint
from pydantic import with_config
from typing_extensions import TypedDict

from api.loaded_models import OnlineModels
from api.open_inference.requests import OUTPUT
from api.open_inference.responses import NAMES
from api.open_inference.tensors import INPUT
from api.schema.examples import shown_as
from api.schema.operations import error_response, operation
from shared.errors import Conflict, Damaged, NotFound, Unavailable
from shared.images.shapes import RGB, channels_of
from shared.registry import ModelVersion, Registry

PLATFORM = "numpy_npz"
NOT_FOUND = error_response(NotFound, "model_not_found", "version_not_found", "version_deleted")
NOT_READY = (
    NOT_FOUND,
    error_response(Conflict, "model_unloaded", "model_too_large"),
    error_response(Damaged, "version_damaged", "version_unreadable"),
    error_response(Unavailable, "memory_busy"),
)


class TensorMetadata(TypedDict):
    """A tensor's name, type and shape; -1 in the shape means any number of images."""

    name: str
    datatype: str
    shape: list[int]


@with_config(
    shown_as(
        {
            "name": "digits",
            "versions": ["1", "3"],
            "platform": PLATFORM,
            "inputs": [{"name": INPUT, "datatype": "FP32", "shape": [-1, 784]}],
            "outputs": [{"name": OUTPUT, "datatype": "FP32", "shape": [-1, 10]}],
        },
        {
            "name": "pets",
            "versions": ["1"],
            "platform": PLATFORM,
            "inputs": [{"name": INPUT, "datatype": "FP32", "shape": [-1, 32, 32, 3]}],
            "outputs": [{"name": OUTPUT, "datatype": "FP32", "shape": [-1, 2]}],
        },
    )
)
class ModelMetadata(TypedDict):
    """A model's input and output tensors."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelReadiness(TypedDict):
    """A model's readiness. If the model is not ready, the response is an error."""

    name: str
    ready: bool


def blueprint(models: OnlineModels, registry: Registry) -> Blueprint:
    """Return the models' routes."""
    routes = Blueprint("inference-models", __name__, url_prefix="/v2/models/<name>")

    @routes.get("")
    @routes.get("/versions/<version>")
    @operation("Show a model's tensors", scope="read", responses={200: ModelMetadata}, errors=NOT_READY)
    def metadata(name: str, version: str = "latest") -> ModelMetadata:
        classifier = models.classifier(name, version)
        datatype = NAMES[classifier.network.dtype]
        return {
            "name": name,
            "versions": [str(found.version) for found in reversed(registry.heads(name))],
            "platform": PLATFORM,
            "inputs": [{"name": INPUT, "datatype": datatype, "shape": input_shape(classifier.version)}],
            "outputs": [{"name": OUTPUT, "datatype": datatype, "shape": [-1, classifier.network.classes]}],
        }

    @routes.get("/ready")
    @routes.get("/versions/<version>/ready")
    @operation("Check whether a model is ready", scope="read", responses={200: ModelReadiness}, errors=NOT_READY)
    def ready(name: str, version: str = "latest") -> ModelReadiness:
        """A model is ready if it is not unloaded and its weights can be read."""
        models.classifier(name, version)
        return {"name": name, "ready": True}

    return routes


def input_shape(version: ModelVersion) -> list[int]:
    """Return the shape of the input tensor: [-1, H·W] in grayscale, [-1, H, W, 3] in colour."""
    shape = version.image_shape
    return [-1, *shape] if channels_of(shape) == RGB else [-1, math.prod(shape)]
