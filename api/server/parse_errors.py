"""gunicorn's own request errors as problems (RFC 9457), in the application's format."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus

from gunicorn.http import errors

from shared.storage.names import new_id


class UnsupportedMethod(errors.ParseException):  # type: ignore[misc]
    """A request to be a proxy, which has no path."""

    def __str__(self) -> str:
        return "this server is not a proxy; it does not implement CONNECT"


STATUSES: dict[type[Exception], HTTPStatus] = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    UnsupportedMethod: HTTPStatus.NOT_IMPLEMENTED,
}


def status_of(error: Exception) -> HTTPStatus | None:
    """Return the status for an invalid request line or header; None if the request did not cause the error."""
    if type(error) in STATUSES:
        return STATUSES[type(error)]
    is_client_error = isinstance(error, errors.ParseException) and not isinstance(error, errors.ConfigurationProblem)
    return HTTPStatus.BAD_REQUEST if is_client_error else None


def check_method(method: str) -> None:
    """Raise `UnsupportedMethod` for CONNECT, whose target is a host and a port instead of a path."""
    if method == "CONNECT":
        raise UnsupportedMethod


def check_transfer_codings(headers: Iterable[tuple[str, str]]) -> None:
    """Raise `UnsupportedTransferCoding` for a coding other than chunked, whose content gunicorn does not decode."""
    for name, value in headers:
        if name.upper() == "TRANSFER-ENCODING":
            for coding in value.split(","):
                if coding.strip(" \t").lower() not in {"chunked", "identity"}:
                    raise errors.UnsupportedTransferCoding(value)


def response(status: HTTPStatus, error: Exception | str) -> bytes:
    """Return the whole response. Close the connection after it, because the next request's start is unknown.

    Each of these problems has the member `error` that clients of /v2 read: the path may be what cannot be parsed.
    """
    detail = f"the HTTP server rejected the request: {error}"
    problem: dict[str, str | int] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
        "code": "malformed_request" if status == HTTPStatus.BAD_REQUEST else status.name.lower(),
        "error": detail,
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
