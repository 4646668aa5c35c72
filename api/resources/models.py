"""`/v1/models`: list, show and delete the registry's models and versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Annotated

from flask import Blueprint, Response, request
from pydantic import Field

from api.requests.conditions import with_etag
from api.requests.pagination import Page, PageQuery, after, cursor_like, page
from api.requests.validation import RequestModel, from_texts
from api.schema.operations import PRECONDITIONS, error_response, operation, revalidated
from api.schema.responses import ModelView, VersionView, model_view, version_view
from shared.errors import Conflict, Damaged, NotFound
from shared.jobs.feed.announcer import Announcer
from shared.registry import Registry
from shared.registry.manifest import VersionHead

MODEL_NOT_FOUND = error_response(NotFound, "model_not_found")
VERSION_NOT_FOUND = error_response(NotFound, "model_not_found", "version_not_found", "version_deleted")
UNREADABLE = error_response(Damaged, "version_unreadable")
VERSION_IN_USE = error_response(Conflict, "version_in_use")


class VersionQuery(PageQuery):
    """The page of versions to list."""

    after: Annotated[str, cursor_like("[0-9]{12,}")] | None = Field(None, description="the `next` of the previous page")


class DeleteQuery(RequestModel):
    """How to delete a version or a model."""

    force: bool = Field(False, description="delete even if aliases point to it, and delete those aliases")


def blueprint(registry: Registry, announcer: Announcer) -> Blueprint:
    """Return the models' routes."""
    routes = Blueprint("models", __name__, url_prefix="/v1/models")

    def view_of(model: tuple[str, list[VersionHead]]) -> ModelView:
        name, heads = model
        latest = registry.get(name, str(heads[0].version))
        return model_view(name, len(heads), latest, registry.aliases(name), registry.is_damaged(latest))

    def views_of(names: Iterable[str]) -> Iterator[ModelView]:
        for model in registry.each(names):
            with suppress(NotFound, Damaged):  # deleted or damaged since `each` read it
                yield view_of(model)

    def version_views(heads: Iterable[VersionHead], aliases: dict[str, int]) -> Iterator[VersionView]:
        for head in heads:
            with suppress(NotFound, Damaged):
                version = registry.get(head.model, str(head.version))
                yield version_view(version, aliases, registry.is_damaged(version))

    @routes.get("")
    @operation(
        "List the models", scope="read", query=PageQuery, responses=revalidated(Page[ModelView]), headers=PRECONDITIONS
    )
    def index() -> Response:
        """Sorted by name. Versions that only a newer version of Glassbox can read are omitted."""
        query = from_texts(PageQuery, request.args)
        return with_etag(
            page(views_of(after(registry.models(), query, str)), query, lambda view: view["name"], lambda view: view)
        )

    @routes.get("/<name>")
    @operation("Show a model", scope="read", responses={200: ModelView}, errors=(MODEL_NOT_FOUND, UNREADABLE))
    def show(name: str) -> ModelView:
        return view_of((name, registry.heads(name)))

    @routes.delete("/<name>")
    @operation(
        "Delete a model",
        scope="manage",
        query=DeleteQuery,
        responses={204: None},
        errors=(MODEL_NOT_FOUND, VERSION_IN_USE),
    )
    def delete(name: str) -> tuple[str, int]:
        """Deletes all versions of the model. If it is trained again, version numbers continue."""
        registry.delete_model(name, force=from_texts(DeleteQuery, request.args).force)
        announcer.deleted("model_deleted", {}, name)
        return "", 204

    @routes.get("/<name>/versions")
    @operation(
        "List a model's versions",
        scope="read",
        query=VersionQuery,
        responses=revalidated(Page[VersionView]),
        headers=PRECONDITIONS,
        errors=(MODEL_NOT_FOUND, UNREADABLE),
    )
    def versions(name: str) -> Response:
        """Newest first. Versions that only a newer version of Glassbox can read are omitted."""
        query = from_texts(VersionQuery, request.args)
        heads = after(registry.heads(name), query, _cursor, newest_first=True)
        views = version_views(heads, registry.aliases(name))
        return with_etag(page(views, query, lambda view: f"{view['version']:012d}", lambda view: view))

    @routes.get("/<name>/versions/<reference>")
    @operation("Show a version", scope="read", responses={200: VersionView}, errors=(VERSION_NOT_FOUND, UNREADABLE))
    def show_version(name: str, reference: str) -> VersionView:
        version = registry.get(name, reference)
        return version_view(version, registry.aliases(name), registry.is_damaged(version))

    @routes.delete("/<name>/versions/<reference>")
    @operation(
        "Delete a version",
        scope="manage",
        query=DeleteQuery,
        responses={204: None},
        errors=(VERSION_NOT_FOUND, VERSION_IN_USE),
    )
    def delete_version(name: str, reference: str) -> tuple[str, int]:
        """Frees the version's space. Its number is not reused. A batch job that still needs it fails."""
        number = registry.number(name, reference)
        registry.delete(name, str(number), force=from_texts(DeleteQuery, request.args).force)
        announcer.deleted("version_deleted", {"version": number}, name)
        return "", 204

    return routes


def _cursor(version: VersionHead) -> str:
    """Return a version's cursor. Cursors sort in the order of the list."""
    return f"{version.version:012d}"
