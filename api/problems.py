"""Error responses as `application/problem+json` (RFC 9457). This module alone maps errors to HTTP statuses."""

from __future__ import annotations

import logging
from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated, Any, Literal, NotRequired
from urllib.parse import quote

from flask import Flask, Response, g, json, request
from kombu.exceptions import OperationalError
from pydantic import Field
from redis import RedisError
from typing_extensions import TypedDict
from werkzeug.exceptions import HTTPException

from api.requests.bodies.content_coding import ACCEPTED
from api.requests.hosts import check_host
from shared import errors
from shared.json_types import JsonObject
from shared.runtime.redis_faults import explained, fault_of
from shared.storage.names import new_id

log = logging.getLogger(__name__)

REALM = "glassbox"
OUT_OF_MEMORY, RETRY_AFTER = "out_of_memory", 5  # seconds: other requests may have ended by then
PROBLEM = "application/problem+json"
MOST_FIELDS, LONGEST_FIELD, LONGEST_DETAIL = 100, 500, 4000  # in one response; lengths in characters
PATH_CHARACTERS = "/:@!$&'()*+,;=~-._"  # need no percent-encoding in a URI's path (RFC 3986, section 3.3)


class FieldProblem(TypedDict):
    """An error in one field of a request. The field is a JSON pointer into the body, or a parameter's name."""

    detail: str
    pointer: NotRequired[str]
    parameter: NotRequired[str]


class Problem(TypedDict):
    """An error (RFC 9457). Programs read `code`, which is stable; people read `detail`."""

    type: Literal["about:blank"]
    title: str
    status: int
    detail: str
    instance: Annotated[str, Field(description="the request's path")]
    code: str
    errors: Annotated[NotRequired[list[FieldProblem]], Field(description="the invalid fields")]
    scope: Annotated[NotRequired[str], Field(description="the scope that the API key lacks")]
    error: Annotated[NotRequired[str], Field(description="a copy of `detail` for clients of /v2")]


CHECKSUM_MISMATCH = 460
"""The status of tus 1.0 for a wrong checksum, which HTTP does not define."""

STATUSES: dict[type[errors.GlassboxError], int] = {
    errors.Malformed: HTTPStatus.BAD_REQUEST,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Gone: HTTPStatus.GONE,
    errors.Locked: HTTPStatus.LOCKED,
    errors.ChecksumMismatch: CHECKSUM_MISMATCH,
    errors.PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    errors.LengthRequired: HTTPStatus.LENGTH_REQUIRED,
    errors.TooSlow: HTTPStatus.REQUEST_TIMEOUT,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Damaged: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.NotInstalled: HTTPStatus.NOT_IMPLEMENTED,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StorageFull: HTTPStatus.INSUFFICIENT_STORAGE,
}


def phrase_of(status: int) -> str:
    """Return the name of a status, such as `Not Found`."""
    return "Checksum Mismatch" if status == CHECKSUM_MISMATCH else HTTPStatus(status).phrase


def register(app: Flask) -> None:
    """Convert every error of the application to a problem, and return each request's id in a header."""
    app.register_error_handler(errors.GlassboxError, _glassbox_error)
    app.register_error_handler(RedisError, _redis_error)
    app.register_error_handler(OperationalError, _redis_error)
    app.register_error_handler(HTTPException, _http_exception)
    app.register_error_handler(MemoryError, _memory_error)
    app.register_error_handler(Exception, _bug)

    @app.before_request
    def assign_request_id() -> None:
        g.request_id = request_id(request.headers.get("X-Request-Id", ""))

    @app.before_request
    def reject_malformed_host() -> None:
        check_host(request.environ)

    @app.before_request
    def reject_undecodable_query() -> None:
        try:
            request.query_string.decode()  # Werkzeug assumes that this succeeds
        except UnicodeDecodeError as error:
            detail = "the query string is not UTF-8; percent-encode other bytes as %XX"
            raise errors.Malformed("malformed_query", detail) from error

    @app.after_request
    def add_request_id(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        return response


def request_id(given: str) -> str:
    """Return the client's request id if it is valid, else a new one."""
    return given if given.isascii() and given.isprintable() and 0 < len(given) <= 128 else new_id()


def _problem(status: int, code: str, detail: str, **members: Any) -> Response:
    detail = _cut(detail, LONGEST_DETAIL)
    body: Problem = {
        "type": "about:blank",
        "title": phrase_of(status),
        "status": int(status),
        "detail": detail,
        "instance": quote(request.path, safe=PATH_CHARACTERS),
        "code": code,
        **members,  # type: ignore[typeddict-item]
    }
    if request.path.startswith("/v2/"):  # Open Inference Protocol clients read this member
        body["error"] = detail
    return Response(json.dumps(body) + "\n", f"{int(status)} {phrase_of(status)}", content_type=PROBLEM)


def _glassbox_error(error: errors.GlassboxError) -> Response:
    members: JsonObject = {}  # extension members (RFC 9457, section 3.2)
    if isinstance(error, errors.Invalid) and error.fields:
        members["errors"] = [
            {k: _cut(v, LONGEST_FIELD) for k, v in asdict(field).items() if v is not None}
            for field in error.fields[:MOST_FIELDS]
        ]
    if isinstance(error, errors.Forbidden) and error.scope:
        members["scope"] = error.scope
    response = _problem(STATUSES[type(error)], error.code, error.detail, **members)
    response.headers.update(_headers(error))
    return response


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _headers(error: errors.GlassboxError) -> dict[str, str]:
    """Return an error's headers: when to retry, how to authenticate (RFC 6750), which content codings are possible."""
    match error:
        case errors.Unavailable() | errors.TooMany():
            return {"Retry-After": str(error.retry_after)}
        case errors.Unauthenticated(code="key_unknown"):
            return {"WWW-Authenticate": f'Bearer realm="{REALM}", error="invalid_token"'}
        case errors.Unauthenticated():
            return {"WWW-Authenticate": f'Bearer realm="{REALM}"'}
        case errors.UnsupportedType(code="encoding_unknown"):
            return {"Accept-Encoding": ACCEPTED}
        case errors.Forbidden(scope=str(scope)):
            return {"WWW-Authenticate": f'Bearer realm="{REALM}", error="insufficient_scope", scope="{scope}"'}
    return {}


def _redis_error(error: Exception) -> Response:
    log.warning("%s", explained(error))
    fault = fault_of(error)
    if fault.refuses:
        detail = f"{fault.detail}; then send the request again"
    else:
        detail = f"{fault.detail}; it is unknown whether the request took effect, and it is safe to send it again"
    return _glassbox_error(errors.Unavailable(fault.code, detail, fault.retry_after))


def _memory_error(error: MemoryError) -> Response:
    log.warning("request %s: %s %s: out of memory: %s", g.request_id, request.method, request.path, error)
    detail = (
        "the request needs more memory than this process of the API has left; send less data in one request, or raise"
        " GLASSBOX_API_MEMORY_BYTES (under Compose, also GLASSBOX_API_MEMORY)"
    )
    return _glassbox_error(errors.Unavailable(OUT_OF_MEMORY, detail, RETRY_AFTER))


def _http_exception(error: HTTPException) -> Response:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    response = _problem(status, HTTPStatus(status).name.lower(), error.description or HTTPStatus(status).phrase)
    for name, value in error.get_headers(request.environ):
        if name.lower() not in {"content-type", "content-length"}:  # `Allow`, `Retry-After` and the like
            response.headers[name] = value
    return response


def _bug(error: Exception) -> Response:
    log.exception("request %s: %s %s failed", g.request_id, request.method, request.path, exc_info=error)
    detail = f"the server failed, not your request; the server's log has details under request {g.request_id}"
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", detail)
