"""Declarations of the routes' operations, which the OpenAPI document and the middleware read.

    @routes.get("/<job_id>")
    @operation("Show a job", scope="read", responses={200: JobView}, errors=(NOT_FOUND,))
    def show(job_id: str) -> JobView: ...

A declaration is an attribute of the view function. It does not change the view's behavior.
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
"""Attribute with which `idempotent` marks a view that accepts an Idempotency-Key."""

VALIDATED = ("/v1/", "/v2/")


@dataclass(frozen=True)
class MediaType:
    """A body that is not a single JSON value: rows, a stream, a file.

    name: such as `text/csv`. item: the type of the JSON in each line or event, if the body is text that holds JSON.
    """

    name: str
    description: str
    item: Any = None
    example: str | None = None


@dataclass(frozen=True)
class UploadSpec:
    """A file as a request's body: raw, or as the part `part` of a form whose other parts are the query's options.

    json: the model of a JSON body that the operation accepts instead of a file.
    """

    part: str
    description: str
    media_types: tuple[str, ...] = ("application/octet-stream",)
    json: type[RequestModel] | None = None


@dataclass(frozen=True)
class BytesSpec:
    """Bytes as a request's body, which the view reads itself. required: whether a request must have a body."""

    description: str
    media_type: str
    required: bool = True


@dataclass(frozen=True)
class ResponseSpec:
    """A response that is not an error. `contents` are its possible JSON types or media types.

    headers: names of headers that not every response has; `api/openapi/fields.py` describes them.
    """

    contents: tuple[Any, ...] = ()
    description: str | None = None
    headers: tuple[str, ...] = ()


def revalidated(content: Any) -> dict[int, ResponseSpec]:
    """Return the responses of a GET whose JSON a client keeps and revalidates; see `api.requests.conditions`."""
    return {
        200: ResponseSpec((content,), headers=("ETag",)),
        304: ResponseSpec(description="The client's copy is current.", headers=("ETag",)),
    }


PRECONDITIONS = ("If-Match", "If-None-Match")
"""The request headers of such an operation."""


@dataclass(frozen=True)
class ErrorSpec:
    """A type of error that an operation can return, and its codes; `archive_*` means all codes with that prefix."""

    error: type[GlassboxError]
    codes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """The declaration of one route: its summary, scope, inputs, responses and errors.

    scope: the scope that a key needs; None if no key is needed. query: the model of its query parameters. body: the
    model of its JSON, or a file. creates: whether it accepts an Idempotency-Key. headers: request headers that it
    reads.
    """

    summary: str
    scope: Scope | None
    responses: Mapping[int, ResponseSpec]
    query: type[RequestModel] | None = None
    body: type[RequestModel] | UploadSpec | BytesSpec | None = None
    errors: tuple[ErrorSpec, ...] = ()
    creates: bool = False
    headers: tuple[str, ...] = ()


def operation(
    summary: str,
    *,
    scope: Scope | None,
    responses: Mapping[int, Any],
    query: type[RequestModel] | None = None,
    body: type[RequestModel] | UploadSpec | BytesSpec | None = None,
    errors: tuple[type[GlassboxError] | ErrorSpec, ...] = (),
    headers: tuple[str, ...] = (),
) -> Callable[[View], View]:
    """Return a decorator that declares a view's operation. The view's docstring becomes its description.

    responses: for each status a `ResponseSpec`, or in short the type of its JSON, a `MediaType`, a tuple of those, or
    None for no body. errors: errors specific to this operation; the document adds those that follow from `scope`,
    `query`, `body` and the decorator `idempotent`, and those of every operation.
    """

    def declare(view: View) -> View:
        vars(view)["operation"] = Operation(
            summary,
            scope,
            {status: _response(response) for status, response in responses.items()},
            query,
            body,
            tuple(error if isinstance(error, ErrorSpec) else ErrorSpec(error) for error in errors),
            getattr(view, CREATES, False),
            headers,
        )
        return view

    return declare


def error_response(error: type[GlassboxError], *codes: str) -> ErrorSpec:
    """Return an error with the codes that it can have in an operation."""
    return ErrorSpec(error, codes)


def operation_of(view: Callable[..., Any]) -> Operation | None:
    """Return the view's declaration; None if it has none."""
    return getattr(view, "operation", None)


def current_operation() -> Operation | None:
    """Return the declaration of the current request's view; None if no route matches."""
    view = current_app.view_functions.get(request.endpoint or "")
    return None if view is None else operation_of(view)


def _response(response: Any) -> ResponseSpec:
    if isinstance(response, ResponseSpec):
        return response
    if response is None:
        return ResponseSpec()
    return ResponseSpec(response if isinstance(response, tuple) else (response,))
