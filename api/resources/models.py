"""`/v1/models`: the registry's models and versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Annotated

from flask import Blueprint, request
from pydantic import Field

from api.requests.pagination import Cursor, Page, PageQuery, after, page
from api.requests.validation import RequestModel, from_texts
from api.schema.operations import error_response, operation
from api.schema.responses import ModelView, VersionView, model_view, version_view
from shared.errors import Conflict, NotFound
from shared.registry import ModelVersion, Registry

MODEL_NOT_FOUND = error_response(NotFound, "model_not_found")
VERSION_NOT_FOUND = error_response(NotFound, "model_not_found", "version_not_found", "version_deleted")
VERSION_IN_USE = error_response(Conflict, "version_in_use")


class VersionQuery(PageQuery):
    """Which versions to list: those behind `after`."""

    after: Annotated[str, Cursor("[0-9]{12,}")] | None = Field(None, description="the `next` of the page before")


class DeleteQuery(RequestModel):
    """How to delete a version or a model."""

    force: bool = Field(False, description="delete although aliases point there, and remove those aliases")


def blueprint(registry: Registry) -> Blueprint:
    """The models' routes."""
    routes = Blueprint("models", __name__, url_prefix="/v1/models")

    def shown(model: tuple[str, list[ModelVersion]]) -> ModelView:
        name, versions = model
        return model_view(name, versions, registry.aliases(name), registry.is_damaged(versions[0]))

    def shown_each(names: Iterable[str]) -> Iterator[ModelView]:
        for model in registry.each(names):
            with suppress(NotFound):  # it is deleted just now
                yield shown(model)

    @routes.get("")
    @operation("List the models", scope="read", query=PageQuery, responses={200: Page[ModelView]})
    def index() -> Page[ModelView]:
        """By name."""
        query = from_texts(PageQuery, request.args)
        return page(
            shown_each(after(registry.models(), query, str)), query, lambda view: view["name"], lambda view: view
        )

    @routes.get("/<name>")
    @operation("Show a model", scope="read", responses={200: ModelView}, errors=(MODEL_NOT_FOUND,))
    def show(name: str) -> ModelView:
        return shown((name, registry.versions(name)))

    @routes.delete("/<name>")
    @operation(
        "Delete a model",
        scope="manage",
        query=DeleteQuery,
        responses={204: None},
        errors=(MODEL_NOT_FOUND, VERSION_IN_USE),
    )
    def delete(name: str) -> tuple[str, int]:
        """Deletes all its versions. If the model is trained again, its numbers go on."""
        registry.delete_model(name, force=from_texts(DeleteQuery, request.args).force)
        return "", 204

    @routes.get("/<name>/versions")
    @operation(
        "List a model's versions",
        scope="read",
        query=VersionQuery,
        responses={200: Page[VersionView]},
        errors=(MODEL_NOT_FOUND,),
    )
    def versions(name: str) -> Page[VersionView]:
        """The newest come first."""
        query = from_texts(VersionQuery, request.args)
        aliases = registry.aliases(name)
        return page(
            after(registry.versions(name), query, _place, newest_first=True),
            query,
            _place,
            lambda version: version_view(version, aliases, registry.is_damaged(version)),
        )

    @routes.get("/<name>/versions/<reference>")
    @operation("Show a version", scope="read", responses={200: VersionView}, errors=(VERSION_NOT_FOUND,))
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
        """Frees its space. Its number is not given again, and a batch that is still to use it fails."""
        registry.delete(name, reference, force=from_texts(DeleteQuery, request.args).force)
        return "", 204

    return routes


def _place(version: ModelVersion) -> str:
    """Where a version stands in the list, as a text that sorts as the list does."""
    return f"{version.version:012d}"
