"""OpenAPI descriptions of an operation's responses, with a problem for each error status."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from api.openapi.error_responses import codes_of
from api.openapi.samples import sample
from api.openapi.schemas import Schemas
from api.problems import STATUSES, Problem, phrase_of
from api.schema.operations import MediaType, Operation, ResponseSpec
from shared.json_types import JsonObject

WITH_ERRORS: dict[int, tuple[str, ...]] = {
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("Accept-Encoding",),
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate",),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After",),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After",),
}
MEANINGS = {status: (error.__doc__ or "").splitlines()[0] for error, status in STATUSES.items()}


def responses(path: str, operation: Operation, schemas: Schemas) -> JsonObject:
    """Return a response for each status."""
    problems = {
        str(int(status)): _problem(path, status, codes, schemas) for status, codes in codes_of(operation, path).items()
    }
    declared = {
        str(status): _response(status, spec, operation, schemas) for status, spec in operation.responses.items()
    }
    return dict(sorted({**problems, **_merged(problems, declared)}.items()))


def _response(status: int, spec: ResponseSpec, operation: Operation, schemas: Schemas) -> JsonObject:
    headers = [*spec.headers, *(["Idempotent-Replayed"] if operation.creates else [])]
    response: JsonObject = {
        "description": spec.description or HTTPStatus(status).phrase,
        "headers": _headers(headers),
    }
    content: JsonObject = {}
    for one in spec.contents:
        content |= _media(one, schemas) if isinstance(one, MediaType) else _json(one, schemas)
    return response | {"content": content} if content else response


def _json(one: Any, schemas: Schemas) -> JsonObject:
    schema = schemas.of(one)
    examples = schemas.resolved(schema).get("examples") or [sample(schema, schemas)]
    named = {f"example {number}": {"value": example} for number, example in enumerate(examples, 1)}
    return {"application/json": {"schema": schema, "examples": named}}


def _media(media: MediaType, schemas: Schemas) -> JsonObject:
    """Return a body of text or bytes. `contentSchema` describes the JSON in each line or event."""
    schema: JsonObject = {"type": "string", "description": media.description}
    if media.item is not None:
        schema |= {"contentMediaType": "application/json", "contentSchema": schemas.of(media.item)}
    elif not media.name.startswith("text/"):
        schema["format"] = "binary"
    example = media.example
    if example is None and media.item is not None:
        line = json.dumps(sample(schemas.of(media.item), schemas))
        example = f"data: {line}\n\n" if media.name == "text/event-stream" else f"{line}\n"
    return {media.name: {"schema": schema} | ({} if example is None else {"example": example})}


def _problem(path: str, status: int, codes: tuple[str, ...], schemas: Schemas) -> JsonObject:
    """Return the response of an error status: the problem's schema, an example per code, and the codes.

    `x-codes` lists the codes; `archive_*` is any code with that prefix. They are no schema of their own, because
    generators of clients would make a class for each response of each operation.
    """
    base = schemas.of(Problem)
    alternatives = " or ".join(f"`{code}`" for code in codes)
    examples = {
        code: {"value": sample(base, schemas) | _example(path, status, code)}
        for code in codes
        if not code.endswith("*")
    }
    return {
        "description": f"{MEANINGS.get(status, phrase_of(status))} {alternatives}",
        "headers": _headers(WITH_ERRORS.get(status, ())),
        "content": {"application/problem+json": {"schema": base, "examples": examples}},
        "x-codes": list(codes),
    }


def _example(path: str, status: int, code: str) -> JsonObject:
    detail = MEANINGS.get(status, "The server failed, not your request.")
    return {"title": phrase_of(status), "status": int(status), "detail": detail, "instance": path, "code": code}


def _merged(problems: JsonObject, declared: JsonObject) -> JsonObject:
    """Return the declared responses, each merged with the problem of the same status, such as 503 of `/readyz`."""
    return {
        status: problems[status] | response | {"content": problems[status]["content"] | response.get("content", {})}
        if status in problems
        else response
        for status, response in declared.items()
    }


def _headers(names: Iterable[str]) -> JsonObject:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}
