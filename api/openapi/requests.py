"""OpenAPI descriptions of an operation's inputs: path, query and header parameters, and the body."""

from __future__ import annotations

import re

from werkzeug.routing import Rule

from api.openapi.fields import IN_DASHBOARD_PATHS, IN_DATASET_PATHS, IN_PATHS, REQUEST_HEADERS
from api.openapi.samples import sample
from api.openapi.schemas import Schemas
from api.requests.validation import RequestModel
from api.schema.operations import BytesSpec, Operation, UploadSpec
from shared.json_types import JsonObject

FILE = {"type": "string", "format": "binary"}
TEXT = {"schema": {"type": "string"}}


def parameters(rule: Rule, operation: Operation, schemas: Schemas) -> list[JsonObject]:
    """Return all parameters of the operation at this path."""
    known = IN_PATHS
    for folder, own in {"/v1/datasets/": IN_DATASET_PATHS, "/ui/": IN_DASHBOARD_PATHS}.items():
        known = known | own if rule.rule.startswith(folder) else known
    in_path = [
        {"name": name, "in": "path", "required": True, **known.get(name, TEXT)}
        for name in re.findall(r"<(?:[^:<>]+:)?([^<>]+)>", rule.rule)
    ]
    in_headers = [{"name": name, "in": "header", **REQUEST_HEADERS.get(name, TEXT)} for name in _headers(operation)]
    return [*in_path, *_in_query(operation, schemas), *in_headers]


def body(operation: Operation, schemas: Schemas) -> JsonObject | None:
    """Return the operation's body; None if it has none. JSON without required members is optional."""
    if operation.body is None:
        return None
    if isinstance(operation.body, UploadSpec):
        upload = operation.body
        raw = {media_type: {"schema": FILE} for media_type in upload.media_types}
        form = {"multipart/form-data": {"schema": _form(operation, upload.part, schemas)}}
        json = {} if upload.json is None else _json(upload.json, schemas)
        return {"description": upload.description, "required": True, "content": raw | form | json}
    if isinstance(operation.body, BytesSpec):
        content = {operation.body.media_type: {"schema": FILE}}
        return {"description": operation.body.description, "required": operation.body.required, "content": content}
    needed = bool(schemas.resolved(schemas.of(operation.body)).get("required"))
    return {"required": needed, "content": _json(operation.body, schemas)}


def _json(model: type[RequestModel], schemas: Schemas) -> JsonObject:
    schema = schemas.of(model)
    return {"application/json": {"schema": schema, "example": sample(schema, schemas)}}


def _in_query(operation: Operation, schemas: Schemas) -> list[JsonObject]:
    if operation.query is None:
        return []
    query = schemas.resolved(schemas.of(operation.query))
    return [
        {
            "name": name,
            "in": "query",
            "required": name in query.get("required", ()),
            **({"description": schema["description"]} if "description" in schema else {}),
            "schema": _without_null({key: value for key, value in schema.items() if key != "description"}),
        }
        for name, schema in query["properties"].items()
    ]


def _headers(operation: Operation) -> list[str]:
    uploads = ["Content-Digest", "Content-Encoding"] if isinstance(operation.body, UploadSpec) else []
    creates = ["Idempotency-Key"] if operation.creates else []
    return [*operation.headers, *creates, *uploads, "X-Request-Id"]


def _form(operation: Operation, part: str, schemas: Schemas) -> JsonObject:
    """Return the schema of a form with the file and, optionally, the query's options."""
    options: JsonObject = {}
    if operation.query is not None:
        properties = schemas.resolved(schemas.of(operation.query))["properties"]
        options = {name: _without_null(schema) for name, schema in properties.items()}
    return {"type": "object", "properties": {part: FILE, **options}, "required": [part], "additionalProperties": False}


def _without_null(schema: JsonObject) -> JsonObject:
    """Return the schema without null, which queries and forms cannot express."""
    choices: list[JsonObject] = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    only: JsonObject = choices[0]
    return {key: value for key, value in schema.items() if key != "anyOf"} | only
