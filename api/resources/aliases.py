"""`/v1/models/{name}/aliases`: named references to versions, with ETags for conditional updates.

An alias's ETag changes on each move. `If-Match` rejects the change if the alias has moved since the client read it;
`If-None-Match: *` rejects it if the alias exists.
"""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request
from pydantic import Field, with_config
from typing_extensions import TypedDict

from api.auth.middleware import current_key
from api.requests.conditions import conditional, with_etag
from api.requests.pagination import Page, PageQuery, after, page
from api.requests.validation import RequestModel, from_json, from_texts
from api.schema.examples import shown_as
from api.schema.operations import PRECONDITIONS, ResponseSpec, error_response, operation, revalidated
from shared.errors import Invalid, NotFound, PreconditionFailed
from shared.jobs.view import Links, Time
from shared.registry import Alias, Registry
from shared.runtime.settings import Settings


class AliasTarget(RequestModel):
    """The version that an alias will point to."""

    version: int = Field(ge=1, description="the version's number")


@with_config(
    shown_as(
        {
            "model": "digits",
            "alias": "champion",
            "version": 3,
            "moved_at": "2026-01-31T12:00:09.480Z",
            "moved_by": "key ci",
            "links": {"version": "/v1/models/digits/versions/3"},
        }
    )
)
class AliasView(TypedDict):
    """An alias, its version, and the time of its last move.

    moved_by: who moved it, for people: `key` and the key's name, or `job` and the id of the training with `promote`. It
    is null if the API requires no key, or an older release moved it.
    """

    model: str
    alias: str
    version: int
    moved_at: Time
    moved_by: str | None
    links: Links


MODEL_NOT_FOUND = error_response(NotFound, "model_not_found")
ALIAS_NOT_FOUND = error_response(NotFound, "model_not_found", "alias_not_found")
FAILED_CONDITION = error_response(PreconditionFailed, "alias_moved", "alias_exists")
CONDITIONS = ("If-Match", "If-None-Match")


def blueprint(registry: Registry, settings: Settings) -> Blueprint:
    """Return the aliases' routes."""
    routes = Blueprint("aliases", __name__, url_prefix="/v1/models/<name>/aliases")

    @routes.get("")
    @operation(
        "List a model's aliases",
        scope="read",
        query=PageQuery,
        responses=revalidated(Page[AliasView]),
        headers=PRECONDITIONS,
        errors=(MODEL_NOT_FOUND,),
    )
    def index(name: str) -> Response:
        """Sorted by name."""
        query = from_texts(PageQuery, request.args)
        aliases = registry.alias_states(name)
        return with_etag(
            page(after(aliases, query, str), query, str, lambda alias: alias_view(name, alias, aliases[alias]))
        )

    @routes.get("/<alias>")
    @operation(
        "Show an alias",
        scope="read",
        responses={
            200: ResponseSpec((AliasView,), headers=("ETag",)),
            304: ResponseSpec(description="The client's copy is current.", headers=("ETag",)),
        },
        errors=(ALIAS_NOT_FOUND,),
        headers=CONDITIONS,
    )
    def show(name: str, alias: str) -> Response:
        return conditional(_shown(name, alias, registry.alias(name, alias)))

    @routes.put("/<alias>")
    @operation(
        "Move an alias",
        scope="manage",
        body=AliasTarget,
        responses={
            200: ResponseSpec((AliasView,), "The alias moved.", headers=("ETag",)),
            201: ResponseSpec((AliasView,), "The alias was created.", headers=("ETag",)),
        },
        errors=(
            error_response(NotFound, "model_not_found", "version_not_found", "version_deleted"),
            error_response(Invalid, "invalid_alias"),
            FAILED_CONDITION,
        ),
        headers=CONDITIONS,
    )
    def move(name: str, alias: str) -> Response:
        """Creates the alias if it does not exist. With `If-Match`, moves it only if its ETag is still the same."""
        target = from_json(AliasTarget, settings)
        created = False

        def condition(before: Alias | None) -> None:
            nonlocal created
            created = before is None
            _check_conditions(alias, before)

        key = current_key()
        moved = registry.point(name, alias, target.version, condition, by=f"key {key.name}" if key else None)
        response = _shown(name, alias, moved)
        response.status_code = 201 if created else 200
        return response

    @routes.delete("/<alias>")
    @operation(
        "Remove an alias",
        scope="manage",
        responses={204: None},
        errors=(ALIAS_NOT_FOUND, FAILED_CONDITION),
        headers=CONDITIONS,
    )
    def remove(name: str, alias: str) -> tuple[str, int]:
        registry.remove_alias(name, alias, lambda before: _check_conditions(alias, before))
        return "", 204

    return routes


def alias_view(name: str, alias: str, points: Alias) -> AliasView:
    """Return the JSON of `/v1/models/{name}/aliases/{alias}`."""
    return {
        "model": name,
        "alias": alias,
        "version": points.version,
        "moved_at": points.moved_at,
        "moved_by": points.moved_by,
        "links": {"version": f"/v1/models/{name}/versions/{points.version}"},
    }


def _shown(name: str, alias: str, points: Alias) -> Response:
    response = jsonify(alias_view(name, alias, points))
    response.set_etag(_etag(points))
    return response


def _etag(points: Alias) -> str:
    return str(points.revision)


def _check_conditions(alias: str, before: Alias | None) -> None:
    """Evaluate If-Match and If-None-Match (RFC 9110, section 13.1). Raises `PreconditionFailed`."""
    current = "does not exist" if before is None else f"points to version {before.version}"
    etag = _etag(before) if before else ""
    if "If-Match" in request.headers and (before is None or not request.if_match.contains(etag)):
        detail = f"the alias {alias!r} {current} and does not match If-Match; nothing was changed, read it again"
        raise PreconditionFailed("alias_moved", detail)
    if "If-None-Match" in request.headers and before is not None and request.if_none_match.contains_weak(etag):
        raise PreconditionFailed("alias_exists", f"the alias {alias!r} exists and {current}; nothing was changed")
