"""`Range` requests: one byte range is supported; other forms are ignored.

RFC 9110, section 14.2: a server must ignore an unknown unit, and may ignore any `Range`. Several ranges would need a
multipart response, which no client needs for weights, so such a request returns the whole file.
"""

from __future__ import annotations

from flask import Flask, request

from api.schema.operations import current_operation


def register(app: Flask) -> None:
    """Remove an unsupported `Range` header before the view runs."""

    @app.before_request
    def drop_unsupported_range() -> None:
        operation = current_operation()
        if operation is not None and "Range" in operation.headers and not _is_one(request.headers.get("Range", "")):
            request.environ.pop("HTTP_RANGE", None)


def _is_one(text: str) -> bool:
    unit, _, ranges = text.partition("=")
    return unit.strip().lower() == "bytes" and "," not in ranges
