"""Validation of query parameters: an operation rejects unknown and repeated parameters."""

from __future__ import annotations

from flask import Flask, request

from api.schema.operations import VALIDATED, current_operation
from shared.errors import FieldError, Invalid


def register(app: Flask) -> None:
    """Reject parameters of an operation that has none, and repeated ones. A query model rejects unknown ones."""

    @app.before_request
    def validate_query() -> None:
        if not request.query_string or request.method == "OPTIONS":
            return
        operation = current_operation()
        if operation is None or not f"{request.path}/".startswith(VALIDATED):
            return
        fields = [
            FieldError(reason, parameter=name)
            for name, values in request.args.lists()
            for reason in _reasons(len(values), takes_any=operation.query is not None)
        ]
        if fields:
            summary = "; ".join(f"{field.parameter}: {field.detail}" for field in fields)
            raise Invalid("validation_failed", summary, fields)


def _reasons(count: int, *, takes_any: bool) -> list[str]:
    """Return the problems of a parameter that was sent `count` times."""
    if not takes_any:
        return ["is not a field of this request"]
    return [f"must be given once; got {count} values"] if count > 1 else []
