"""`GET /v1/me`: the name and the scopes of the request's API key, or that the API requires no key."""

from __future__ import annotations

from flask import Blueprint
from pydantic import with_config
from typing_extensions import TypedDict

from api.auth.keys import Scope
from api.auth.middleware import current_key
from api.schema import examples
from api.schema.examples import shown_as
from api.schema.operations import operation


@with_config(shown_as(examples.ACCESS, examples.ACCESS_WITHOUT_KEYS))
class AccessView(TypedDict):
    """What a client may do.

    `scopes` are all scopes of the key, also those that a larger one includes. If the API requires no key, as only its
    own machine can reach it, `key_required` is false, `key` is null, and a client has every scope.
    """

    key_required: bool
    key: str | None
    scopes: list[Scope]


def blueprint() -> Blueprint:
    """Return the route that describes the request's key."""
    routes = Blueprint("access", __name__, url_prefix="/v1/me")

    @routes.get("")
    @operation("Show what the API key allows", scope="read", responses={200: AccessView})
    def show() -> AccessView:
        """The key's name is the one in the keys file. An invalid key gets 401."""
        key = current_key()
        return {
            "key_required": key is not None,
            "key": None if key is None else key.name,
            "scopes": [scope for scope in Scope if key is None or key.allows(scope)],
        }

    return routes
