"""What gunicorn itself refuses, as the same problem that the application would answer with (RFC 9457)."""

from __future__ import annotations

import json
from http import HTTPStatus

from gunicorn.http import errors

from shared.storage.names import new_id

REFUSED: dict[type[Exception], HTTPStatus] = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
}


def status_of(error: Exception) -> HTTPStatus | None:
    """The status for what is wrong with a request's line or headers; None where it is no fault of the request's."""
    if type(error) in REFUSED:
        return REFUSED[type(error)]
    is_clients = isinstance(error, errors.ParseException) and not isinstance(error, errors.ConfigurationProblem)
    return HTTPStatus.BAD_REQUEST if is_clients else None


def response(status: HTTPStatus, error: Exception) -> bytes:
    """The whole response, after which the connection has to be closed: where a next request would begin is unknown."""
    problem: dict[str, str | int] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": f"the server in front of the API takes no such request: {error}",
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
