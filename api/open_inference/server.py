"""`GET /v2` and its health: what this server is, and whether it can answer."""

from __future__ import annotations

import os
from contextlib import suppress

from flask import Blueprint
from typing_extensions import TypedDict

from api.schema.operations import error_response, operation
from shared.errors import Unavailable
from shared.runtime.version import VERSION
from shared.storage.volume import Volume

EXTENSIONS = ("binary_tensor_data", "classification", "model_repository")


class ServerMetadata(TypedDict):
    """What this server is, and which of the protocol's extensions it has."""

    name: str
    version: str
    extensions: tuple[str, ...]


class Liveness(TypedDict):
    """Whether the process lives."""

    live: bool


class ServerReadiness(TypedDict):
    """Whether models can be read from the volume."""

    live: bool
    ready: bool


def blueprint(volume: Volume) -> Blueprint:
    """The server's routes."""
    routes = Blueprint("inference-server", __name__, url_prefix="/v2")

    @routes.get("")
    @operation("Show the inference server", scope="read", responses={200: ServerMetadata})
    def metadata() -> ServerMetadata:
        return {"name": "glassbox", "version": VERSION, "extensions": EXTENSIONS}

    @routes.get("/health/live")
    @operation("Tell whether the inference server lives", scope=None, responses={200: Liveness})
    def live() -> Liveness:
        return {"live": True}

    @routes.get("/health/ready")
    @operation(
        "Tell whether the inference server is ready",
        scope=None,
        responses={200: ServerReadiness},
        errors=(error_response(Unavailable, "volume_unavailable"),),
    )
    def ready() -> ServerReadiness:
        """It is when it can read the volume; it does not need Redis."""
        try:
            with suppress(FileNotFoundError):  # nothing was published yet
                os.listdir(volume.models)  # noqa: PTH208
        except OSError as error:
            raise Unavailable("volume_unavailable", f"the volume cannot be read: {error}") from error
        return {"live": True, "ready": True}

    return routes
