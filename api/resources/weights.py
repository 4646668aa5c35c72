"""`GET /v1/models/{name}/versions/{ref}/weights`: a version's parameters as `.npz`, safetensors or ONNX."""

from __future__ import annotations

from typing import Literal

from flask import Blueprint, Response, request, send_file
from pydantic import Field

from api.exports import Export, export
from api.requests.conditions import conditional
from api.requests.validation import RequestModel, from_texts
from api.schema.operations import MediaType, ResponseSpec, error_response, operation
from shared.errors import Damaged, NotFound
from shared.registry import ModelVersion, Registry

MOST_DIGESTS = 1000
BINARY = "application/octet-stream"
FILE = MediaType(BINARY, "an .npz with the parameters by name; or .safetensors or .onnx, as `format` selects")

PRECONDITIONS = ("If-Match", "If-Unmodified-Since", "If-None-Match", "If-Modified-Since")


class WeightsQuery(RequestModel):
    """The format of a version's weights."""

    format: Literal["npz", "safetensors", "onnx"] = Field(
        "npz", description="NumPy arrays by name, the same as safetensors, or the network as an ONNX graph"
    )


def blueprint(registry: Registry) -> Blueprint:
    """Return the weights' route."""
    routes = Blueprint("weights", __name__)
    digests = Digests()

    @routes.get("/v1/models/<name>/versions/<reference>/weights")
    @operation(
        "Download a version's weights",
        scope="read",
        query=WeightsQuery,
        responses={
            200: ResponseSpec((FILE,), "The whole file.", headers=("ETag",)),
            206: ResponseSpec((FILE,), "The requested range.", headers=("ETag", "Content-Range")),
            304: ResponseSpec(description="The client's copy is current.", headers=("ETag",)),
        },
        errors=(
            error_response(NotFound, "model_not_found", "version_not_found", "version_deleted"),
            error_response(Damaged, "version_damaged", "version_unreadable"),
        ),
        headers=("Range", "If-Range", *PRECONDITIONS),
    )
    def weights(name: str, reference: str) -> Response:
        """Each format of a version always has the same bytes. The ETag is their SHA-256."""
        file_format = from_texts(WeightsQuery, request.args).format
        version = registry.get(name, reference)
        return as_stored(version) if file_format == "npz" else exported(version, file_format)

    def as_stored(version: ModelVersion) -> Response:
        response = send_file(
            registry.weights_path(version, anew=_sends_all()).resolve(),
            mimetype=BINARY,
            as_attachment=True,
            download_name=_file_name(version, "npz"),
            etag=version.weights.sha256,
            conditional=False,
        )
        return conditional(response, ranges=True)

    def exported(version: ModelVersion, file_format: str) -> Response:
        content = export(version, registry.stored(version, anew=_sends_all()), file_format)
        response = Response(content.blocks(), mimetype=BINARY)
        response.headers["Content-Disposition"] = f"attachment; filename={_file_name(version, file_format)}"
        response.content_length = content.length
        response.set_etag(digests.of(version, file_format, content))
        return conditional(response, ranges=True)

    return routes


class Digests:
    """The SHA-256 of the most recent exports. A version's export in one format never changes."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, str, str], str] = {}

    def of(self, version: ModelVersion, file_format: str, content: Export) -> str:
        """Return the digest of an export; only the first call reads it."""
        key = (version.model, version.version, version.weights.sha256, file_format)
        digest = self._known.get(key)
        if digest is None:
            digest = content.sha256()
            self._known[key] = digest
            if len(self._known) > MOST_DIGESTS:
                self._known.pop(next(iter(self._known)), None)
        return digest


def _file_name(version: ModelVersion, extension: str) -> str:
    return f"{version.model}-{version.version}.{extension}"


def _sends_all() -> bool:
    """Return whether the response sends the whole file. Only then is its digest worth checking again."""
    return request.method == "GET" and not {"Range", *PRECONDITIONS} & set(request.headers.keys())
