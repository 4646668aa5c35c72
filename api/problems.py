"""Every error as `application/problem+json` (RFC 9457): the one place that maps errors to HTTP statuses."""

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

from shared import errors
from shared.json_types import JsonObject
from shared.runtime.redis_faults import explained, fault_of
from shared.storage.names import new_id

log = logging.getLogger(__name__)

REALM = "glassbox"
PROBLEM = "application/problem+json"
PATH_CHARACTERS = "/:@!$&'()*+,;=~-._"  # what a URI's path may hold as it is (RFC 3986, section 3.3)


class FieldProblem(TypedDict):
    """What is wrong with one field of a request: a JSON pointer into its body, or the name of a parameter."""

    detail: str
    pointer: NotRequired[str]
    parameter: NotRequired[str]


class Problem(TypedDict):
    """An error (RFC 9457). `code` is stable, for programs; `detail` is for people."""

    type: Literal["about:blank"]
    title: str
    status: int
    detail: str
    instance: Annotated[str, Field(description="the request's path")]
    code: str
    errors: Annotated[NotRequired[list[FieldProblem]], Field(description="the fields that are wrong")]
    scope: Annotated[NotRequired[str], Field(description="what a key would have to allow")]
    error: Annotated[NotRequired[str], Field(description="`detail` once more, for clients of /v2")]


STATUSES: dict[type[errors.GlassboxError], HTTPStatus] = {
    errors.Malformed: HTTPStatus.BAD_REQUEST,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    errors.LengthRequired: HTTPStatus.LENGTH_REQUIRED,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Damaged: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.NotInstalled: HTTPStatus.NOT_IMPLEMENTED,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StorageFull: HTTPStatus.INSUFFICIENT_STORAGE,
}


def register(app: Flask) -> None:
    """Answer every error of the application with a problem, and every request with its id."""
    app.register_error_handler(errors.GlassboxError, _glassbox_error)
    app.register_error_handler(RedisError, _redis_error)
    app.register_error_handler(OperationalError, _redis_error)
    app.register_error_handler(HTTPException, _http_exception)
    app.register_error_handler(Exception, _bug)

    @app.before_request
    def name_request() -> None:
        g.request_id = request_id(request.headers.get("X-Request-Id", ""))

    @app.before_request
    def refuse_other_bytes() -> None:
        try:
            request.query_string.decode()  # Werkzeug takes for granted that it can be
        except UnicodeDecodeError as error:
            raise errors.Malformed("malformed_query", "the query is not UTF-8; write other bytes as %XX") from error

    @app.after_request
    def say_why(response: Response) -> Response:
        if response.status_code == HTTPStatus.PRECONDITION_FAILED and response.mimetype != PROBLEM:
            response.close()  # Werkzeug has judged `If-Match` or `If-Unmodified-Since`, and left the body as it was
            problem = _problem(HTTPStatus.PRECONDITION_FAILED, "precondition_failed", "it has changed since then")
            response.direct_passthrough = False
            response.data, response.content_type = problem.data, PROBLEM
            response.headers.remove("Content-Encoding")
        return response

    @app.after_request
    def tell_request_id(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        return response


def request_id(given: str) -> str:
    """The id that a request came with, if it can be one; else a new one."""
    return given if given.isascii() and given.isprintable() and 0 < len(given) <= 128 else new_id()


def _problem(status: int, code: str, detail: str, **members: Any) -> Response:
    body: Problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "instance": quote(request.path, safe=PATH_CHARACTERS),
        "code": code,
        **members,  # type: ignore[typeddict-item]
    }
    if request.path.startswith("/v2/"):  # where the Open Inference Protocol's clients look for it
        body["error"] = detail
    return Response(json.dumps(body) + "\n", status, content_type=PROBLEM)


def _glassbox_error(error: errors.GlassboxError) -> Response:
    members: JsonObject = {}  # as the code defines them (RFC 9457, 3.2)
    if isinstance(error, errors.Invalid) and error.fields:
        members["errors"] = [{k: v for k, v in asdict(field).items() if v is not None} for field in error.fields]
    if isinstance(error, errors.Forbidden) and error.scope:
        members["scope"] = error.scope
    response = _problem(STATUSES[type(error)], error.code, error.detail, **members)
    response.headers.update(_headers(error))
    return response


def _headers(error: errors.GlassboxError) -> dict[str, str]:
    """What an error tells in headers: when to try again, and how to show a key (RFC 6750)."""
    match error:
        case errors.Unavailable() | errors.TooMany():
            return {"Retry-After": str(error.retry_after)}
        case errors.Unauthenticated(code="key_unknown"):
            return {"WWW-Authenticate": f'Bearer realm="{REALM}", error="invalid_token"'}
        case errors.Unauthenticated():
            return {"WWW-Authenticate": f'Bearer realm="{REALM}"'}
        case errors.Forbidden(scope=str(scope)):
            return {"WWW-Authenticate": f'Bearer realm="{REALM}", error="insufficient_scope", scope="{scope}"'}
    return {}


def _redis_error(error: Exception) -> Response:
    log.warning("%s", explained(error))
    fault = fault_of(error)
    if fault.refuses:
        detail = f"{fault.detail}; then send the request again"
    else:
        detail = f"{fault.detail}, so the request may have been done or not; it is safe to send it again soon"
    return _glassbox_error(errors.Unavailable(fault.code, detail, fault.retry_after))


def _http_exception(error: HTTPException) -> Response:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    response = _problem(status, HTTPStatus(status).name.lower(), error.description or HTTPStatus(status).phrase)
    for name, value in error.get_headers(request.environ):
        if name.lower() not in {"content-type", "content-length"}:  # `Allow`, `Retry-After` and the like
            response.headers[name] = value
    return response


def _bug(error: Exception) -> Response:
    log.exception("request %s: %s %s failed", g.request_id, request.method, request.path, exc_info=error)
    detail = f"a fault of ours, not of your request; the server's log has more under request {g.request_id}"
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", detail)
