"""Query parameters, judged for every operation alike: none that the operation does not know, none twice."""

from __future__ import annotations

from flask import Flask, request

from api.schema.operations import VALIDATED, current_operation
from shared.errors import FieldError, Invalid


def register(app: Flask) -> None:
    """Refuse a query that names what nobody reads; an operation with parameters names what it does not know itself."""

    @app.before_request
    def judge() -> None:
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
    """What is wrong with a parameter that was sent so often."""
    if not takes_any:
        return ["is not a field of this request"]
    return ["must be there only once"] if count > 1 else []
