"""Authorization: each request needs a key with the scope that its route declares, and counts against rate limits.

If only this host can reach the API, no key is needed. Then requests from web pages of other origins are rejected: a
browser on this host can send them to loopback addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, request
from werkzeug.wrappers import Request

from api.auth.keys import ApiKey, KeysFile, Scope
from api.auth.rate_limits import RateLimit
from api.schema.operations import operation_of
from shared.errors import Forbidden, Unauthenticated
from shared.runtime import log_context
from shared.runtime.settings import Settings, is_loopback

SAFE_METHODS = frozenset({"GET", "HEAD"})
KEY = "glassbox.key"  # the request's `ApiKey` in the WSGI environment; missing if no key is required
HEAD_ONLY = "X-Glassbox-Head-Only"  # the gateway sends it with the head of a request whose body it has not received yet
NO_KEY = "_"
COUNTED = "glassbox.counted"  # set in the WSGI environment once a request has counted against its limits


@dataclass(frozen=True)
class Limits:
    """Rate limits. Every request counts against the first; a request that changes something also against the second."""

    requests: RateLimit
    submissions: RateLimit

    @classmethod
    def from_settings(cls, settings: Settings) -> Limits:
        """Build the limits from the settings."""
        return cls(
            RateLimit(settings, "requests", settings.rate_limit, settings.rate_burst),
            RateLimit(settings, "submissions", settings.submit_rate_limit, settings.submit_rate_burst),
        )


class Authorizer:
    """Authenticates requests and checks their scopes and rate limits.

    keys: None if no key is required. trusted_origins: origins whose web pages may use the API without a key; `*` is
    any origin.
    """

    def __init__(self, keys: KeysFile | None, limits: Limits, trusted_origins: Collection[str] = ()) -> None:
        self._keys = keys
        self._limits = limits
        self._trusted_origins = trusted_origins

    def admit(self, request: Request, scope: Scope) -> None:
        """Check a request that needs this scope. Raises `Unauthenticated`, `Forbidden` or `TooMany`.

        A request that is checked twice, by the fast lane and then by Flask, counts once.
        """
        if self._keys is None:
            _reject_cross_origin(request, self._trusted_origins)
            holder = f"address:{request.remote_addr}"
        else:
            key = _authenticated(request, self._keys)
            log_context.bind(key=key.name)
            request.environ[KEY] = key
            _check_scope(key, scope, "this request")
            holder = f"key:{key.name}"
        if COUNTED in request.environ:
            return
        self._limits.requests.spend(holder)
        if scope is not Scope.READ:
            self._limits.submissions.spend(holder)
        request.environ[COUNTED] = True

    def still_admits(self, environ: Mapping[str, Any]) -> bool:
        """Return whether the request's key, if it has one, is still valid and unchanged. It counts against no limit."""
        key = environ.get(KEY)
        return self._keys is None or key is None or key in self._keys.current()


def register(app: Flask, authorizer: Authorizer) -> None:
    """Check every request before its view runs. A view without a declaration needs the highest scope."""

    @app.before_request
    def admit() -> Response | None:
        is_head_only = HEAD_ONLY in request.headers
        if is_head_only:
            request.environ[COUNTED] = True  # the whole request follows, and counts
        if request.endpoint is not None and request.method != "OPTIONS":  # a known route, and not a CORS preflight
            scope = needed_scope(app.view_functions[request.endpoint])
            if scope is not None:
                authorizer.admit(request, scope)
        return Response(status=204) if is_head_only else None


def current_key() -> ApiKey | None:
    """Return the current request's key; None if the API requires no key."""
    key: ApiKey | None = request.environ.get(KEY)
    return key


def current_owner() -> str:
    """Return the name of the current request's key; `_`, which no key has, if the API requires no key."""
    key = current_key()
    return NO_KEY if key is None else key.name


def require(scope: Scope, what: str) -> None:
    """Check that the current request's key also allows `what`, which this request does besides its route's purpose.

    Raises `Forbidden`.
    """
    key = current_key()
    if key is not None:
        _check_scope(key, scope, what)


def _check_scope(key: ApiKey, scope: Scope, what: str) -> None:
    if not key.allows(scope):
        own = ", ".join(sorted(key.scopes))
        raise Forbidden("scope_missing", f"{what} needs the scope {scope}; the key {key.name!r} has {own}", scope)


def needed_scope(view: Callable[..., Any]) -> Scope | None:
    """Return the scope that a view declares; the highest scope if it declares nothing."""
    declared = operation_of(view)
    if declared is None:
        return Scope.MANAGE
    return None if declared.scope is None else Scope(declared.scope)


def _authenticated(request: Request, keys: KeysFile) -> ApiKey:
    """Return the request's key, from `Authorization: Bearer` or `X-API-Key`. Raises `Unauthenticated`."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    presented = token.strip() if kind.lower() == "bearer" else request.headers.get("X-API-Key", "").strip()
    if not presented:
        raise Unauthenticated("key_missing", "send an API key in the header `Authorization: Bearer <key>`")
    key = keys.find(presented)
    if key is None:
        raise Unauthenticated("key_unknown", "the API key is invalid or revoked")
    return key


def _reject_cross_origin(request: Request, trusted: Collection[str]) -> None:
    """Reject a browser's request if a web page of another origin sends it. Requests of other programs pass.

    `Host` detects DNS rebinding: an attacker's DNS server resolves a public name to this machine. `Origin` detects
    cross-origin requests that need no CORS preflight, such as an upload.
    """
    host = _host_in(f"//{request.host}")
    if _is_public_name(host):
        raise Forbidden(
            "host_not_local",
            f"without API keys, the Host header must be a local name or an address; got {host!r}",
        )
    origin = request.headers.get("Origin")
    if not origin or origin in trusted or "*" in trusted:
        return
    if request.method not in SAFE_METHODS and not is_loopback(_host_in(origin)):
        raise Forbidden("origin_not_local", f"cross-origin writes require an API key; the origin is {origin!r}")


@lru_cache(maxsize=100)
def _is_public_name(host: str) -> bool:
    """Return whether public DNS could resolve this name. IP addresses and names without a dot are not public."""
    try:
        ip_address(host)
    except ValueError:
        return "." in host and not host.endswith((".localhost", ".internal"))
    return False


@lru_cache(maxsize=100)
def _host_in(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
