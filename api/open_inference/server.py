"""`GET /v2` and `/v2/health`: the inference server's metadata, liveness and readiness."""

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
    """The server's name, version and supported protocol extensions."""

    name: str
    version: str
    extensions: tuple[str, ...]


class Liveness(TypedDict):
    """The server's liveness."""

    live: bool


class ServerReadiness(TypedDict):
    """The server's readiness: it can read models from the volume."""

    live: bool
    ready: bool


def blueprint(volume: Volume) -> Blueprint:
    """Return the server's routes."""
    routes = Blueprint("inference-server", __name__, url_prefix="/v2")

    @routes.get("")
    @operation("Show the inference server", scope="read", responses={200: ServerMetadata})
    def metadata() -> ServerMetadata:
        return {"name": "glassbox", "version": VERSION, "extensions": EXTENSIONS}

    @routes.get("/health/live")
    @operation("Check whether the inference server is live", scope=None, responses={200: Liveness})
    def live() -> Liveness:
        return {"live": True}

    @routes.get("/health/ready")
    @operation(
        "Check whether the inference server is ready",
        scope=None,
        responses={200: ServerReadiness},
        errors=(error_response(Unavailable, "volume_unavailable"),),
    )
    def ready() -> ServerReadiness:
        """The server is ready if it can read the volume. It needs no Redis."""
        try:
            with suppress(FileNotFoundError):  # no model is published yet
                os.listdir(volume.models)  # noqa: PTH208
        except OSError as error:
            raise Unavailable("volume_unavailable", f"the volume cannot be read: {error}") from error
        return {"live": True, "ready": True}

    return routes
