"""Who may do what: each request must show a key with the scope that its route declares, and not come too often.

Where only this host reaches the API no key is needed. Then a web page that somebody has open is the stranger to keep
out: a browser sends its requests to loopback addresses, too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, request
from werkzeug.wrappers import Request

from api.auth.keys import ApiKey, KeysFile, Scope
from api.auth.rate_limits import RateLimit
from api.schema.operations import operation_of
from shared.errors import Forbidden, Unauthenticated
from shared.runtime import log_context
from shared.runtime.settings import Settings, is_loopback

SAFE_METHODS = frozenset({"GET", "HEAD"})
COUNTED = "glassbox.counted"  # in the environment of a request that has counted against its sender's limits


@dataclass(frozen=True)
class Limits:
    """How often: every request counts for the first, one that changes something for the second as well."""

    requests: RateLimit
    submissions: RateLimit

    @classmethod
    def from_settings(cls, settings: Settings) -> Limits:
        """The limits that the settings set."""
        return cls(
            RateLimit(settings, "requests", settings.rate_limit, settings.rate_burst),
            RateLimit(settings, "submissions", settings.submit_rate_limit, settings.submit_rate_burst),
        )


class Authorizer:
    """Who may pass.

    keys: None where no keys are asked for. trusted_origins: those whose web pages may use the API then; `*` trusts all.
    """

    def __init__(self, keys: KeysFile | None, limits: Limits, trusted_origins: Collection[str] = ()) -> None:
        self._keys = keys
        self._limits = limits
        self._trusted_origins = trusted_origins

    def admit(self, request: Request, scope: Scope) -> None:
        """Let a request pass that needs this scope; raises `Unauthenticated`, `Forbidden` or `TooMany`.

        A request that is admitted again, for it went a short way first, is counted once.
        """
        if self._keys is None:
            _refuse_web_pages(request, self._trusted_origins)
            holder = f"address:{request.remote_addr}"
        else:
            key = _authenticated(request, self._keys)
            log_context.bind(key=key.name)
            if not key.allows(scope):
                own = ", ".join(sorted(key.scopes))
                raise Forbidden("scope_missing", f"this needs the scope {scope}; the key {key.name!r} has {own}", scope)
            holder = f"key:{key.name}"
        if COUNTED in request.environ:
            return
        self._limits.requests.spend(holder)
        if scope is not Scope.READ:
            self._limits.submissions.spend(holder)
        request.environ[COUNTED] = True


def register(app: Flask, authorizer: Authorizer) -> None:
    """Admit no request to a view that it may not see; a view that declares nothing needs the highest scope."""

    @app.before_request
    def admit() -> None:
        if request.endpoint is None or request.method == "OPTIONS":
            return  # an unknown route; a browser's question about what it may ask
        scope = needed_scope(app.view_functions[request.endpoint])
        if scope is not None:
            authorizer.admit(request, scope)


def needed_scope(view: Callable[..., Any]) -> Scope | None:
    """What a view declares; the highest scope where it declares nothing."""
    declared = operation_of(view)
    if declared is None:
        return Scope.MANAGE
    return None if declared.scope is None else Scope(declared.scope)


def _authenticated(request: Request, keys: KeysFile) -> ApiKey:
    """The key that the request shows, as `Authorization: Bearer` or as `X-API-Key`."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    presented = token.strip() if kind.lower() == "bearer" else request.headers.get("X-API-Key", "").strip()
    if not presented:
        raise Unauthenticated("key_missing", "send an API key, with the header `Authorization: Bearer <key>`")
    key = keys.find(presented)
    if key is None:
        raise Unauthenticated("key_unknown", "this API key is not known; it may have been revoked")
    return key


def _refuse_web_pages(request: Request, trusted: Collection[str]) -> None:
    """Refuse what a browser sends on behalf of a page from elsewhere; what another program sends passes.

    The name in `Host` is a stranger's where his name server says that it is this machine (DNS rebinding). `Origin`
    tells of a page whose request needs no leave beforehand, such as an upload.
    """
    host = _host_in(f"//{request.host}")
    if _is_public_name(host):
        raise Forbidden(
            "host_not_local", f"without API keys this machine answers to its own names only, and not to {host!r}"
        )
    origin = request.headers.get("Origin")
    if not origin or origin in trusted or "*" in trusted:
        return
    if request.method not in SAFE_METHODS and not is_loopback(_host_in(origin)):
        raise Forbidden("origin_not_local", "without API keys a web page from elsewhere may change nothing")


@lru_cache(maxsize=100)
def _is_public_name(host: str) -> bool:
    """Whether a name server out there could answer for this name; for an address, or a name without a dot, none can."""
    try:
        ip_address(host)
    except ValueError:
        return "." in host and not host.endswith((".localhost", ".internal"))
    return False


def _host_in(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
