"""gunicorn's own request errors as problems (RFC 9457), in the application's format."""

from __future__ import annotations

import json
from http import HTTPStatus

from gunicorn.http import errors

from shared.storage.names import new_id

STATUSES: dict[type[Exception], HTTPStatus] = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
}


def status_of(error: Exception) -> HTTPStatus | None:
    """Return the status for an invalid request line or header; None if the request did not cause the error."""
    if type(error) in STATUSES:
        return STATUSES[type(error)]
    is_client_error = isinstance(error, errors.ParseException) and not isinstance(error, errors.ConfigurationProblem)
    return HTTPStatus.BAD_REQUEST if is_client_error else None


def response(status: HTTPStatus, error: Exception | str) -> bytes:
    """Return the whole response. Close the connection after it, because the next request's start is unknown."""
    problem: dict[str, str | int] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": f"the HTTP server rejected the request: {error}",
        "code": "malformed_request" if status == HTTPStatus.BAD_REQUEST else status.name.lower(),
    }
    body = json.dumps(problem).encode() + b"\n"
    head = (
        f"HTTP/1.1 {int(status)} {status.phrase}\r\n"
        "Connection: close\r\n"
        "Content-Type: application/problem+json\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        f"X-Request-Id: {new_id()}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
