"""What each route declares of itself, in one place that the OpenAPI document and the guards both read.

    @routes.get("/<job_id>")
    @operation("Show a job", scope="read", answers={200: JobView}, errors=(refusal(NotFound, "job_not_found"),))
    def show(job_id: str) -> JobView: ...

The declaration changes nothing about the view: it is attached to the function, and parses, checks and sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from flask import current_app, request

from api.requests.validation import RequestModel
from shared.errors import GlassboxError

Scope = Literal["read", "submit", "manage"]
View = TypeVar("View", bound=Callable[..., Any])

CREATES = "creates"
"""The attribute by which `idempotent` marks a view that accepts an Idempotency-Key."""

VALIDATED = ("/v1/", "/v2/")


@dataclass(frozen=True)
class MediaType:
    """A body that is not one JSON value: rows, a stream, a file.

    name: `text/csv` and the like. item: the type of the JSON in each line or event, where it is text that holds JSON.
    """

    name: str
    description: str
    item: Any = None
    example: str | None = None


@dataclass(frozen=True)
class UploadSpec:
    """A file as a request's body: raw, or as the part `part` of a form whose other parts are the query's options.

    json: what may come instead, as JSON.
    """

    part: str
    description: str
    media_types: tuple[str, ...] = ("application/octet-stream",)
    json: type[RequestModel] | None = None


@dataclass(frozen=True)
class ResponseSpec:
    """One answer that is no error. `contents` are the types of JSON or the media types that the client may get.

    headers: the names of those that this answer has beside the ones that every answer has; `api/openapi` explains them.
    """

    contents: tuple[Any, ...] = ()
    description: str | None = None
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class ErrorSpec:
    """A kind of error that an operation can end with, and its codes: `archive_*` is every code that begins so."""

    error: type[GlassboxError]
    codes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """What one route does, for whom, with what, and how it can end.

    scope: what a key must allow; None where no key is needed. query: the model of its query parameters. body: the
    model of its JSON, or a file. creates: whether it accepts an Idempotency-Key. headers: request headers that it
    reads.
    """

    summary: str
    scope: Scope | None
    responses: Mapping[int, ResponseSpec]
    query: type[RequestModel] | None = None
    body: type[RequestModel] | UploadSpec | None = None
    errors: tuple[ErrorSpec, ...] = ()
    creates: bool = False
    headers: tuple[str, ...] = ()


def operation(
    summary: str,
    *,
    scope: Scope | None,
    responses: Mapping[int, Any],
    query: type[RequestModel] | None = None,
    body: type[RequestModel] | UploadSpec | None = None,
    errors: tuple[type[GlassboxError] | ErrorSpec, ...] = (),
    headers: tuple[str, ...] = (),
) -> Callable[[View], View]:
    """Declare what a view does; the view's docstring, if it has one, tells the rest.

    responses: for each status an `ResponseSpec`, or in short the type of its JSON, a `MediaType`, a tuple of those, or
    None for no body. errors: the errors of this operation alone; those that follow from `scope`, `query`, `body` and
    the decorator `idempotent`, and those of any operation, are added to the document.
    """

    def declare(view: View) -> View:
        vars(view)["operation"] = Operation(
            summary,
            scope,
            {status: _answer(answer) for status, answer in responses.items()},
            query,
            body,
            tuple(error if isinstance(error, ErrorSpec) else ErrorSpec(error) for error in errors),
            getattr(view, CREATES, False),
            headers,
        )
        return view

    return declare


def error_response(error: type[GlassboxError], *codes: str) -> ErrorSpec:
    """An error with the codes that it can have here."""
    return ErrorSpec(error, codes)


def operation_of(view: Callable[..., Any]) -> Operation | None:
    """What the view declares; None where it declares nothing."""
    return getattr(view, "operation", None)


def current_operation() -> Operation | None:
    """What the view of the current request declares; None where no route fits the request."""
    view = current_app.view_functions.get(request.endpoint or "")
    return None if view is None else operation_of(view)


def _answer(answer: Any) -> ResponseSpec:
    if isinstance(answer, ResponseSpec):
        return answer
    if answer is None:
        return ResponseSpec()
    return ResponseSpec(answer if isinstance(answer, tuple) else (answer,))
