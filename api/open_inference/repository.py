"""`POST /v2/repository`: lists versions, loads and unloads models."""

from __future__ import annotations

from typing import Literal

from flask import Blueprint
from pydantic import Field, with_config
from typing_extensions import TypedDict

from api.loaded_models import OnlineModels
from api.open_inference.models import NOT_FOUND, ModelReadiness
from api.open_inference.tensors import invalid, parameters_of
from api.requests.bodies import fast_json
from api.requests.bodies.body import whole_body
from api.requests.validation import RequestModel
from api.schema.examples import shown_as
from api.schema.operations import error_response, operation
from shared.errors import Conflict, Damaged, Invalid, Malformed
from shared.json_types import JsonObject
from shared.network.settings.validation import shown
from shared.registry import Registry
from shared.registry.manifest import VersionHead
from shared.runtime.settings import Settings


class IndexBody(RequestModel):
    """Filter of the version list, for the OpenAPI document only, because clients send no Content-Type."""

    ready: bool = Field(False, description="list only versions that are ready")


class LoadBody(RequestModel):
    """Body of a load or unload request, for the OpenAPI document only, because clients send no Content-Type."""

    parameters: JsonObject | None = Field(None, description="parameters of the protocol; the server ignores them")


@with_config(shown_as({"name": "digits", "version": "3", "state": "READY", "reason": ""}))
class IndexEntry(TypedDict):
    """One version of a model. `reason` is empty if the version is ready."""

    name: str
    version: str
    state: Literal["READY", "UNAVAILABLE"]
    reason: str


INVALID_BODY = (error_response(Malformed, "malformed_json"), error_response(Invalid, "validation_failed"))


def blueprint(models: OnlineModels, registry: Registry, limits: Settings) -> Blueprint:
    """Return the repository's routes."""
    routes = Blueprint("inference-repository", __name__, url_prefix="/v2/repository")

    @routes.post("/index")
    @operation(
        "List the versions that can be served",
        scope="read",
        body=IndexBody,
        responses={200: list[IndexEntry]},
        errors=INVALID_BODY,
    )
    def index() -> list[IndexEntry]:
        """The body is optional."""
        only_ready = _only_ready(whole_body(limits.limit("max_json_bytes")), limits)
        most = limits.online_model_bytes
        entries = [entry for name, versions in registry.each() for entry in _entries(registry, name, versions, most)]
        return [entry for entry in entries if entry["state"] == "READY" or not only_ready]

    @routes.post("/models/<name>/load")
    @operation(
        "Load a model",
        scope="manage",
        body=LoadBody,
        responses={200: ModelReadiness},
        errors=(
            NOT_FOUND,
            error_response(Conflict, "model_too_large"),
            error_response(Damaged, "version_damaged", "version_unreadable"),
            *INVALID_BODY,
        ),
    )
    def load(name: str) -> ModelReadiness:
        """Reverts an unload. Other models need no load: the first request for a model loads it."""
        _check_parameters(whole_body(limits.limit("max_json_bytes")), limits)
        models.load(name)
        return {"name": name, "ready": True}

    @routes.post("/models/<name>/unload")
    @operation(
        "Unload a model",
        scope="manage",
        body=LoadBody,
        responses={200: ModelReadiness},
        errors=(NOT_FOUND, *INVALID_BODY),
    )
    def unload(name: str) -> ModelReadiness:
        """No process serves the model until it is loaded again, even after a restart. Batch jobs still use it."""
        _check_parameters(whole_body(limits.limit("max_json_bytes")), limits)
        models.unload(name)
        return {"name": name, "ready": False}

    return routes


def _only_ready(body: bytes, limits: Settings) -> bool:
    ready = _read(body, "ready", limits).get("ready", False)
    if not isinstance(ready, bool):
        raise invalid("#/ready", f"must be true or false; got {shown(ready)}")
    return ready


def _check_parameters(body: bytes, limits: Settings) -> None:
    parameters = parameters_of(_read(body, "parameters", limits), "#")
    dependents = parameters.get("unload_dependents", False)
    if not isinstance(dependents, bool):
        raise invalid("#/parameters/unload_dependents", f"must be true or false; got {shown(dependents)}")


def _read(body: bytes, member: str, limits: Settings) -> JsonObject:
    """Parse an optional body that may have this member only. Raises `Malformed` or `Invalid`."""
    document = fast_json.read(body, limits.limit("max_json_bytes")) if body.strip() else {}
    if not isinstance(document, dict) or document.keys() - {member}:
        raise invalid("#", f"must be a JSON object with no member except `{member}`")
    return document


def _entries(registry: Registry, name: str, versions: list[VersionHead], most_bytes: int) -> list[IndexEntry]:
    served = registry.is_served(name)
    entries: list[IndexEntry] = []
    for version in versions:
        reason = "" if served else "unloaded"
        if registry.is_damaged(version):
            reason = "damaged"
        elif version.weights.bytes > most_bytes:
            reason = "larger than GLASSBOX_ONLINE_MODEL_BYTES"
        state: Literal["READY", "UNAVAILABLE"] = "UNAVAILABLE" if reason else "READY"
        entries.append({"name": name, "version": str(version.version), "state": state, "reason": reason})
    return entries
