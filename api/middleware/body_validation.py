"""Validation of bodies: an operation that takes no body rejects one with fields, which would have no effect."""

from __future__ import annotations

from flask import Flask, request

from api.requests.validation import reject_fields
from api.schema.operations import VALIDATED, current_operation
from shared.runtime.settings import Settings

WITHOUT_CONTENT = frozenset({"GET", "HEAD", "OPTIONS"})


def register(app: Flask, settings: Settings) -> None:
    """Reject a body with fields if the operation takes none. `{}` and `null`, which some clients send, are valid."""

    @app.before_request
    def validate_body() -> None:
        if request.method in WITHOUT_CONTENT or not (request.content_length or "Transfer-Encoding" in request.headers):
            return
        operation = current_operation()
        if operation is not None and operation.body is None and request.path.startswith(VALIDATED):
            reject_fields(settings)
