"""The whole OpenAPI document: the routes' paths and their shared components."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from api.openapi.fields import RESPONSE_HEADERS
from api.openapi.requests import body, parameters
from api.openapi.responses import responses
from api.openapi.schemas import Schemas
from api.problems import Problem
from api.schema.operations import MediaType, Operation, UploadSpec, operation_of
from shared.json_types import JsonObject
from shared.runtime.version import VERSION

Route = tuple[Rule, str, Callable[..., Any], Operation]

DESCRIPTION = """\
Trains neural networks written from scratch in NumPy, and runs them over archives of images.

Times are RFC 3339 in UTC; ids sort by time. A list is `{"items": […], "next": …}`: send `next` as `after` for the next
page. Every error is `application/problem+json` (RFC 9457) with a stable `code`; an unknown path returns `not_found`, an
unsupported method `method_not_allowed`. Every response has an `X-Request-Id`. Large JSON and text is compressed with
gzip if the client accepts it. Every path that supports `GET` also supports `HEAD` and `OPTIONS`.
"""


def document(app: Flask, *, keys_needed: bool) -> JsonObject:
    """Return the document of the application's routes. keys_needed: whether requests need an API key."""
    routes = list(_routes(app))
    schemas = Schemas([Problem, *(one for *_, operation in routes for one in _types(operation))])
    paths: dict[str, JsonObject] = {}
    for rule, method, view, operation in routes:
        path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
        paths.setdefault(path, {})[method.lower()] = _entry(rule, view, operation, schemas, keys_needed=keys_needed)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Glassbox",
            "version": VERSION,
            "description": DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": _tags(routes, list(app.blueprints)),
        "paths": paths,
        "components": {
            "schemas": schemas.used_in(paths),
            "headers": RESPONSE_HEADERS,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "an API key with the operation's scope",
                },
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "the same API key"},
            },
        },
    }


def _entry(
    rule: Rule, view: Callable[..., Any], operation: Operation, schemas: Schemas, *, keys_needed: bool
) -> JsonObject:
    entry: JsonObject = {
        "operationId": _id(rule, view),
        "tags": [_tag(rule)],
        "summary": operation.summary,
        "description": _description(view, operation),
        "parameters": parameters(rule, operation, schemas),
        "responses": responses(rule.rule, operation, schemas),
        "security": _security(operation, keys_needed=keys_needed),
    }
    if (request_body := body(operation, schemas)) is not None:
        entry["requestBody"] = request_body
    return entry


def _id(rule: Rule, view: Callable[..., Any]) -> str:
    """Return a unique id of the route. If a view has several routes, the id names the optional path parameters."""
    taken = inspect.signature(view).parameters.values()
    optional = [each.name for each in taken if each.default is not inspect.Parameter.empty]
    named = [f"of_{name}" for name in optional if name in rule.arguments]
    return "_".join([rule.endpoint.replace("-", "_").replace(".", "_"), *named])


def _routes(app: Flask) -> Iterator[Route]:
    """Yield each route that declares an operation, by path, without HEAD and OPTIONS, which every GET implies."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        view = app.view_functions[rule.endpoint]
        if (operation := operation_of(view)) is not None:
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield rule, method, view, operation


def _types(operation: Operation) -> Iterator[Any]:
    """Yield the types whose schemas the operation uses."""
    if operation.query is not None:
        yield operation.query
    if isinstance(operation.body, type):
        yield operation.body
    if isinstance(operation.body, UploadSpec) and operation.body.json is not None:
        yield operation.body.json
    for response in operation.responses.values():
        for content in response.contents:
            shown = content.item if isinstance(content, MediaType) else content
            if shown is not None:
                yield shown


def _description(view: Callable[..., Any], operation: Operation) -> str:
    docstring = inspect.cleandoc(view.__doc__ or "")
    needed = f"Requires an API key with the scope `{operation.scope}`." if operation.scope else "Requires no API key."
    return f"{docstring}\n\n{needed}".strip()


def _security(operation: Operation, *, keys_needed: bool) -> list[JsonObject]:
    if operation.scope is None:
        return []
    with_a_key: list[JsonObject] = [{"bearer": [operation.scope]}, {"header": [operation.scope]}]
    return with_a_key if keys_needed else [{}, *with_a_key]


def _tag(rule: Rule) -> str:
    return str(rule.endpoint).partition(".")[0]


def _tags(routes: list[Route], order: list[str]) -> list[JsonObject]:
    """Return a tag for each blueprint, described by its module's docstring. Unversioned paths come last."""
    modules = {_tag(rule): sys.modules[view.__module__] for rule, _, view, _ in routes}
    versioned = {_tag(rule) for rule, *_ in routes if rule.rule.startswith("/v")}
    return [
        {"name": name, "description": inspect.cleandoc(modules[name].__doc__ or "").splitlines()[0]}
        for name in sorted(modules, key=lambda name: (name not in versioned, order.index(name)))
    ]
