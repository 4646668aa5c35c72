"""`/v1/models`: the registry's models and versions, how good they are, and the weights themselves."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request, send_file

from api.pages import PageQuery, after, page
from api.validation import Form, from_texts
from api.views import evaluation_view, model_view, version_view
from shared.errors import NotFound
from shared.registry import Registry


class DeleteQuery(Form):
    """Whether to delete what aliases point to, and those with it."""

    force: bool = False


def blueprint(registry: Registry) -> Blueprint:
    """The models' routes."""
    routes = Blueprint("models", __name__, url_prefix="/v1/models")

    def show_model(name: str) -> dict[str, Any]:
        versions = registry.versions(name)
        return model_view(name, versions, registry.aliases(name), registry.is_damaged(versions[0]))

    @routes.get("")
    def index() -> dict[str, Any]:
        query = from_texts(PageQuery, request.args)
        return page(after(registry.models(), query, str), query, str, show_model)

    @routes.get("/<name>")
    def show(name: str) -> dict[str, Any]:
        return show_model(name)

    @routes.delete("/<name>")
    def delete(name: str) -> tuple[str, int]:
        registry.delete_model(name, force=from_texts(DeleteQuery, request.args).force)
        return "", 204

    @routes.get("/<name>/versions")
    def versions(name: str) -> dict[str, Any]:
        query = from_texts(PageQuery, request.args)
        aliases = registry.aliases(name)
        newest_first = after(registry.versions(name), query, lambda version: str(version.version))
        return page(
            newest_first,
            query,
            lambda version: str(version.version),
            lambda version: version_view(version, aliases, registry.is_damaged(version)),
        )

    @routes.get("/<name>/versions/<reference>")
    def show_version(name: str, reference: str) -> dict[str, Any]:
        version = registry.get(name, reference)
        return version_view(version, registry.aliases(name), registry.is_damaged(version))

    @routes.delete("/<name>/versions/<reference>")
    def delete_version(name: str, reference: str) -> tuple[str, int]:
        registry.delete(name, reference, force=from_texts(DeleteQuery, request.args).force)
        return "", 204

    @routes.get("/<name>/versions/<reference>/evaluation")
    def evaluation(name: str, reference: str) -> dict[str, Any]:
        version = registry.get(name, reference)
        if not version.evaluation:
            raise NotFound("evaluation_not_found", f"version {version.version} of {name!r} was published without one")
        return evaluation_view(version)

    @routes.get("/<name>/versions/<reference>/weights")
    def weights(name: str, reference: str) -> Response:
        version = registry.get(name, reference)
        return send_file(
            registry.weights_path(version, anew=_sends_all()).resolve(),
            mimetype="application/octet-stream",
            as_attachment=True,
            download_name=f"{version.model}-{version.version}.npz",
            etag=version.weights.sha256,
            conditional=True,
        )

    return routes


def _sends_all() -> bool:
    """Whether the whole file is going to be sent: a part of it is not worth reading it all once more."""
    return request.method == "GET" and not {"Range", "If-None-Match"} & set(request.headers.keys())
