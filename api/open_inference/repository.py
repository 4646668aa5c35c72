"""`POST /v2/repository`: which versions there are, and which models are served."""

from __future__ import annotations

from typing import Literal

from flask import Blueprint
from pydantic import Field, with_config
from typing_extensions import TypedDict

from api.loaded_models import OnlineModels
from api.open_inference.models import NOT_THERE, ModelReadiness
from api.open_inference.tensors import parameters_of, refuse
from api.requests import fast_json
from api.requests.body import whole_body
from api.requests.validation import RequestModel
from api.schema.examples import shown_as
from api.schema.operations import error_response, operation
from shared.errors import Damaged, Invalid, Malformed
from shared.json_types import JsonObject
from shared.registry import ModelVersion, Registry
from shared.runtime.settings import Settings


class IndexBody(RequestModel):
    """Which versions to list; for the document alone, since clients send no Content-Type."""

    ready: bool = Field(False, description="only those that are ready")


class LoadBody(RequestModel):
    """What a client may say with its wish; for the document alone, since clients send no Content-Type."""

    parameters: JsonObject | None = Field(None, description="such as the protocol's clients send; none is used")


@with_config(shown_as({"name": "digits", "version": "3", "state": "READY", "reason": ""}))
class IndexEntry(TypedDict):
    """One version of a model, and why it is not ready where it is not."""

    name: str
    version: str
    state: Literal["READY", "UNAVAILABLE"]
    reason: str


NOT_UNDERSTOOD = (error_response(Malformed, "malformed_json"), error_response(Invalid, "validation_failed"))


def blueprint(models: OnlineModels, registry: Registry, limits: Settings) -> Blueprint:
    """The repository's routes."""
    routes = Blueprint("inference-repository", __name__, url_prefix="/v2/repository")

    @routes.post("/index")
    @operation(
        "List what can be served",
        scope="read",
        body=IndexBody,
        responses={200: list[IndexEntry]},
        errors=NOT_UNDERSTOOD,
    )
    def index() -> list[IndexEntry]:
        """The body may be left out."""
        only_ready = _only_ready(whole_body(limits.max_json_bytes), limits)
        entries = [entry for name, versions in registry.each() for entry in _entries(registry, name, versions)]
        return [entry for entry in entries if entry["state"] == "READY" or not only_ready]

    @routes.post("/models/<name>/load")
    @operation(
        "Load a model",
        scope="manage",
        body=LoadBody,
        responses={200: ModelReadiness},
        errors=(NOT_THERE, error_response(Damaged, "version_damaged"), *NOT_UNDERSTOOD),
    )
    def load(name: str) -> ModelReadiness:
        """Undoes an unload. A model need not be loaded otherwise: it is read when it is asked for."""
        _check_wish(whole_body(limits.max_json_bytes), limits)
        models.load(name)
        return {"name": name, "ready": True}

    @routes.post("/models/<name>/unload")
    @operation(
        "Unload a model",
        scope="manage",
        body=LoadBody,
        responses={200: ModelReadiness},
        errors=(NOT_THERE, *NOT_UNDERSTOOD),
    )
    def unload(name: str) -> ModelReadiness:
        """From now on no process answers for it, nor after a restart, until it is loaded. Batches go on."""
        _check_wish(whole_body(limits.max_json_bytes), limits)
        models.unload(name)
        return {"name": name, "ready": False}

    return routes


def _only_ready(body: bytes, limits: Settings) -> bool:
    ready = _read(body, "ready", limits).get("ready", False)
    if not isinstance(ready, bool):
        raise refuse("#/ready", "must be true or false")
    return ready


def _check_wish(body: bytes, limits: Settings) -> None:
    parameters = parameters_of(_read(body, "parameters", limits), "#")
    if not isinstance(parameters.get("unload_dependents", False), bool):
        raise refuse("#/parameters/unload_dependents", "must be true or false")


def _read(body: bytes, member: str, limits: Settings) -> JsonObject:
    """A body that may be left out, and may have this member alone."""
    document = fast_json.read(body, limits.max_json_bytes) if body.strip() else {}
    if not isinstance(document, dict) or document.keys() - {member}:
        raise refuse("#", f"must be a JSON object of at most one member, `{member}`")
    return document


def _entries(registry: Registry, name: str, versions: list[ModelVersion]) -> list[IndexEntry]:
    served = registry.is_served(name)
    entries: list[IndexEntry] = []
    for version in versions:
        reason = "damaged" if registry.is_damaged(version) else "" if served else "unloaded"
        state: Literal["READY", "UNAVAILABLE"] = "UNAVAILABLE" if reason else "READY"
        entries.append({"name": name, "version": str(version.version), "state": state, "reason": reason})
    return entries
