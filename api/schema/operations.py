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

from api.requests.validation import Form
from shared.errors import GlassboxError

Scope = Literal["read", "submit", "manage"]
View = TypeVar("View", bound=Callable[..., Any])

CREATES = "creates"
"""The attribute by which `idempotent` marks a view that accepts an Idempotency-Key."""

JUDGED = ("/v1/", "/v2/")


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
class Upload:
    """A file as a request's body: raw, or as the part `part` of a form whose other parts are the query's options.

    json: what may come instead, as JSON.
    """

    part: str
    description: str
    media_types: tuple[str, ...] = ("application/octet-stream",)
    json: type[Form] | None = None


@dataclass(frozen=True)
class Answer:
    """One answer that is no error. `contents` are the types of JSON or the media types that the client may get.

    headers: the names of those that this answer has beside the ones that every answer has; `api/openapi` explains them.
    """

    contents: tuple[Any, ...] = ()
    description: str | None = None
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
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
    answers: Mapping[int, Answer]
    query: type[Form] | None = None
    body: type[Form] | Upload | None = None
    errors: tuple[Refusal, ...] = ()
    creates: bool = False
    headers: tuple[str, ...] = ()


def operation(
    summary: str,
    *,
    scope: Scope | None,
    answers: Mapping[int, Any],
    query: type[Form] | None = None,
    body: type[Form] | Upload | None = None,
    errors: tuple[type[GlassboxError] | Refusal, ...] = (),
    headers: tuple[str, ...] = (),
) -> Callable[[View], View]:
    """Declare what a view does; the view's docstring, if it has one, tells the rest.

    answers: for each status an `Answer`, or in short the type of its JSON, a `MediaType`, a tuple of those, or None for
    no body. errors: the errors of this operation alone; those that follow from `scope`, `query`, `body` and the
    decorator `idempotent`, and those of any operation, are added to the document.
    """

    def declare(view: View) -> View:
        vars(view)["operation"] = Operation(
            summary,
            scope,
            {status: _answer(answer) for status, answer in answers.items()},
            query,
            body,
            tuple(error if isinstance(error, Refusal) else Refusal(error) for error in errors),
            getattr(view, CREATES, False),
            headers,
        )
        return view

    return declare


def refusal(error: type[GlassboxError], *codes: str) -> Refusal:
    """An error with the codes that it can have here."""
    return Refusal(error, codes)


def operation_of(view: Callable[..., Any]) -> Operation | None:
    """What the view declares; None where it declares nothing."""
    return getattr(view, "operation", None)


def current_operation() -> Operation | None:
    """What the view of the current request declares; None where no route fits the request."""
    view = current_app.view_functions.get(request.endpoint or "")
    return None if view is None else operation_of(view)


def _answer(answer: Any) -> Answer:
    if isinstance(answer, Answer):
        return answer
    if answer is None:
        return Answer()
    return Answer(answer if isinstance(answer, tuple) else (answer,))
