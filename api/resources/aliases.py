"""`/v1/models/{name}/aliases`: names that point to versions, moved and removed; ETags guard against surprises.

An alias's ETag changes whenever it moves. `If-Match` makes sure that nobody else has moved it since it was read, and
`If-None-Match: *` that it is new.
"""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request
from pydantic import Field, with_config
from typing_extensions import TypedDict

from api.requests.pagination import Page, PageQuery, after, page
from api.requests.validation import RequestModel, from_json, from_texts
from api.schema.examples import shown_as
from api.schema.operations import ResponseSpec, error_response, operation
from shared.errors import Invalid, NotFound, PreconditionFailed
from shared.jobs.view import Links, Time
from shared.registry import Alias, Registry
from shared.runtime.settings import Settings


class AliasTarget(RequestModel):
    """Where an alias is to point."""

    version: int = Field(ge=1, description="the version's number")


@with_config(
    shown_as(
        {
            "model": "digits",
            "alias": "champion",
            "version": 3,
            "moved_at": "2026-01-31T12:00:09.480Z",
            "links": {"version": "/v1/models/digits/versions/3"},
        }
    )
)
class AliasView(TypedDict):
    """An alias, the version that it points to, and since when."""

    model: str
    alias: str
    version: int
    moved_at: Time
    links: Links


MODEL_NOT_FOUND = error_response(NotFound, "model_not_found")
ALIAS_NOT_FOUND = error_response(NotFound, "model_not_found", "alias_not_found")
OTHER_STATE = error_response(PreconditionFailed, "alias_moved", "alias_exists")
CONDITIONS = ("If-Match", "If-None-Match")


def blueprint(registry: Registry, settings: Settings) -> Blueprint:
    """The aliases' routes."""
    routes = Blueprint("aliases", __name__, url_prefix="/v1/models/<name>/aliases")

    @routes.get("")
    @operation(
        "List a model's aliases",
        scope="read",
        query=PageQuery,
        responses={200: Page[AliasView]},
        errors=(MODEL_NOT_FOUND,),
    )
    def index(name: str) -> Page[AliasView]:
        """By name."""
        query = from_texts(PageQuery, request.args)
        aliases = registry.alias_states(name)
        return page(after(aliases, query, str), query, str, lambda alias: alias_view(name, alias, aliases[alias]))

    @routes.get("/<alias>")
    @operation(
        "Show an alias",
        scope="read",
        responses={
            200: ResponseSpec((AliasView,), headers=("ETag",)),
            304: ResponseSpec(description="It is as the client knows it.", headers=("ETag",)),
        },
        errors=(ALIAS_NOT_FOUND,),
        headers=("If-None-Match",),
    )
    def show(name: str, alias: str) -> Response:
        response = _shown(name, alias, registry.alias(name, alias))
        response.make_conditional(request)
        return response

    @routes.put("/<alias>")
    @operation(
        "Move an alias",
        scope="manage",
        body=AliasTarget,
        responses={
            200: ResponseSpec((AliasView,), "It points there now.", headers=("ETag",)),
            201: ResponseSpec((AliasView,), "It is new, and points there.", headers=("ETag",)),
        },
        errors=(
            error_response(NotFound, "model_not_found", "version_not_found", "version_deleted"),
            error_response(Invalid, "invalid_alias"),
            OTHER_STATE,
        ),
        headers=CONDITIONS,
    )
    def move(name: str, alias: str) -> Response:
        """Makes it where it is not there. `If-Match` lets it move only while it is where the client saw it."""
        target = from_json(AliasTarget, settings)
        created = False

        def condition(before: Alias | None) -> None:
            nonlocal created
            created = before is None
            _check_conditions(alias, before)

        response = _shown(name, alias, registry.point(name, alias, target.version, condition))
        response.status_code = 201 if created else 200
        return response

    @routes.delete("/<alias>")
    @operation(
        "Remove an alias",
        scope="manage",
        responses={204: None},
        errors=(ALIAS_NOT_FOUND, OTHER_STATE),
        headers=CONDITIONS,
    )
    def remove(name: str, alias: str) -> tuple[str, int]:
        registry.remove_alias(name, alias, lambda before: _check_conditions(alias, before))
        return "", 204

    return routes


def alias_view(name: str, alias: str, points: Alias) -> AliasView:
    """An alias as `/v1/models/{name}/aliases/{alias}` shows it."""
    return {
        "model": name,
        "alias": alias,
        "version": points.version,
        "moved_at": points.moved_at,
        "links": {"version": f"/v1/models/{name}/versions/{points.version}"},
    }


def _shown(name: str, alias: str, points: Alias) -> Response:
    response = jsonify(alias_view(name, alias, points))
    response.set_etag(_etag(points))
    return response


def _etag(points: Alias) -> str:
    return str(points.revision)


def _check_conditions(alias: str, before: Alias | None) -> None:
    """Judge If-Match and If-None-Match (RFC 9110, section 13.1) by the alias as it is."""
    there = "is not there" if before is None else f"points to version {before.version}"
    etag = _etag(before) if before else ""
    if "If-Match" in request.headers and (before is None or not request.if_match.contains(etag)):
        raise PreconditionFailed(
            "alias_moved", f"nothing was changed: the alias {alias!r} {there}, its ETag is another"
        )
    if "If-None-Match" in request.headers and before is not None and request.if_none_match.contains_weak(etag):
        raise PreconditionFailed("alias_exists", f"nothing was changed: the alias {alias!r} {there}")
