"""`POST /v2/models/{model}[/versions/{version}]/infer`: tensors in, tensors out."""

from __future__ import annotations

from flask import Blueprint, Response, request
from pydantic import Field

from api.loaded_models import OnlineModels
from api.open_inference.requests import OUTPUT, read_request
from api.open_inference.responses import HEADER_LENGTH, InferResponse, response_for
from api.open_inference.rows import rows_of
from api.open_inference.sizes import check_size
from api.open_inference.tensors import INPUT, invalid
from api.requests.bodies.body import FOR_MORE, whole_body
from api.requests.online.memory import Held, held
from api.requests.validation import RequestModel
from api.schema.examples import shown_as
from api.schema.operations import MediaType, ResponseSpec, error_response, operation
from shared.errors import Conflict, Damaged, Invalid, Malformed, NotFound, TooLarge, Unavailable, UnsupportedType
from shared.json_types import JsonObject
from shared.network.settings.validation import shown
from shared.registry.classifier import Classifier
from shared.runtime.settings import Settings


class InferBody(RequestModel):
    """An inference request, for the OpenAPI document only; `api/open_inference/requests.py` parses requests."""

    model_config = shown_as(
        {
            "id": "42",
            "inputs": [{"name": INPUT, "shape": [1, 4], "datatype": "FP32", "data": [0.0, 0.25, 0.5, 1.0]}],
            "outputs": [{"name": OUTPUT, "parameters": {"classification": 1}}],
        }
    ) | {"extra": "forbid", "protected_namespaces": ()}

    id: str | None = None
    model_name: str | None = Field(None, description="the model of the path, which KServe's client repeats")
    model_version: str | None = Field(None, description="ignored; the path selects the version")
    parameters: JsonObject | None = None
    inputs: list[JsonObject] = Field(description="the tensor `images`: name, shape, datatype, data, parameters")
    outputs: list[JsonObject] | None = Field(None, description="the tensor `probabilities`: name, parameters")


BINARY = MediaType("application/octet-stream", f"JSON of {HEADER_LENGTH} bytes, then the binary outputs")


def blueprint(models: OnlineModels, limits: Settings) -> Blueprint:
    """Return the inference route."""
    routes = Blueprint("inference", __name__, url_prefix="/v2/models/<name>")

    @routes.post("/infer")
    @routes.post("/versions/<version>/infer")
    @operation(
        "Infer",
        scope="read",
        body=InferBody,
        responses={200: ResponseSpec((JsonObject, BINARY), "The outputs.", headers=(HEADER_LENGTH,))},
        errors=(
            error_response(NotFound, "model_not_found", "version_not_found", "version_deleted"),
            error_response(Conflict, "model_unloaded", "model_too_large"),
            error_response(Malformed, "malformed_json", "header_length_wrong", "body_cut_short", "body_damaged"),
            error_response(
                TooLarge, "body_too_large", "request_too_large", "response_too_large", "too_many_operations"
            ),
            error_response(UnsupportedType, "encoding_unknown"),
            error_response(Invalid, "validation_failed"),
            error_response(Damaged, "version_damaged", "version_unreadable"),
            error_response(Unavailable, "memory_busy"),
        ),
        headers=(HEADER_LENGTH, "Content-Encoding"),
    )
    def infer(name: str, version: str = "latest") -> Response:
        """The version may be an alias. The response holds the version's number.

        Integers range from 0 to 255. Floating-point numbers range from 0 to 1, or from 0 to 255 if the largest is at
        least 2. Integers whose largest is 1 are black and white, and the response's `parameters.warning` says so.
        """
        models.check(name, version)
        body = whole_body(limits.limit("max_online_bytes"), FOR_MORE)
        classifier = models.classifier(name, version)
        response = run(classifier, body, request.headers.get(HEADER_LENGTH), limits, held(request.environ))
        return Response(response.body, headers=response.headers)

    return routes


def run(
    classifier: Classifier, body: bytes, header_length: str | None, limits: Settings, memory: Held
) -> InferResponse:
    """Return the response to a request, given by its body and its header Inference-Header-Content-Length."""
    parsed = read_request(body, header_length, limits)
    version = classifier.version
    if parsed.model not in {None, version.model}:
        raise invalid("#/model_name", f"must be {version.model}, the model of the path; got {shown(parsed.model)}")
    check_size(len(body), parsed, classifier, limits, memory)
    rows, warning = rows_of(parsed.input, version.image_shape, limits)
    return response_for(parsed, version, classifier.probabilities(rows), warning)
