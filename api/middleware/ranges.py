"""`Range`, where an operation reads it: one range of bytes is given; what else a client may ask for is passed over.

RFC 9110, section 14.2: an unknown unit must be ignored, and any range may be. Several ranges at once would need an
answer in parts, which nobody wants of a file of weights: who asks for them gets all of it.
"""

from __future__ import annotations

from flask import Flask, request

from api.schema.operations import current_operation


def register(app: Flask) -> None:
    """Forget a `Range` that is not answered with a part, before a view sees it."""

    @app.before_request
    def forget() -> None:
        operation = current_operation()
        if operation is not None and "Range" in operation.headers and not _is_one(request.headers.get("Range", "")):
            request.environ.pop("HTTP_RANGE", None)


def _is_one(text: str) -> bool:
    unit, _, ranges = text.partition("=")
    return unit.strip().lower() == "bytes" and "," not in ranges
