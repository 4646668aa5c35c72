"""What an operation takes, in the document's words: parameters in path, query and headers, and a body."""

from __future__ import annotations

import re

from werkzeug.routing import Rule

from api.openapi.fields import IN_DATASET_PATHS, IN_PATHS, REQUEST_HEADERS
from api.openapi.samples import sample
from api.openapi.schemas import Schemas
from api.requests.validation import RequestModel
from api.schema.operations import Operation, UploadSpec
from shared.json_types import JsonObject

FILE = {"type": "string", "format": "binary"}
TEXT = {"schema": {"type": "string"}}


def parameters(rule: Rule, operation: Operation, schemas: Schemas) -> list[JsonObject]:
    """Every parameter of the operation at this path."""
    known = IN_PATHS | (IN_DATASET_PATHS if rule.rule.startswith("/v1/datasets/") else {})
    in_path = [
        {"name": name, "in": "path", "required": True, **known.get(name, TEXT)}
        for name in re.findall(r"<(?:[^:<>]+:)?([^<>]+)>", rule.rule)
    ]
    in_headers = [{"name": name, "in": "header", **REQUEST_HEADERS.get(name, TEXT)} for name in _headers(operation)]
    return [*in_path, *_in_query(operation, schemas), *in_headers]


def body(operation: Operation, schemas: Schemas) -> JsonObject | None:
    """The operation's body, None where it takes none. JSON that needs no member may be left out."""
    if operation.body is None:
        return None
    if isinstance(operation.body, UploadSpec):
        upload = operation.body
        raw = {media_type: {"schema": FILE} for media_type in upload.media_types}
        form = {"multipart/form-data": {"schema": _form(operation, upload.part, schemas)}}
        json = {} if upload.json is None else _json(upload.json, schemas)
        return {"description": upload.description, "required": True, "content": raw | form | json}
    needed = bool(schemas.resolved(schemas.of(operation.body)).get("required"))
    return {"required": needed, "content": _json(operation.body, schemas)}


def _json(form: type[RequestModel], schemas: Schemas) -> JsonObject:
    schema = schemas.of(form)
    return {"application/json": {"schema": schema, "example": sample(schema, schemas)}}


def _in_query(operation: Operation, schemas: Schemas) -> list[JsonObject]:
    if operation.query is None:
        return []
    form = schemas.resolved(schemas.of(operation.query))
    return [
        {
            "name": name,
            "in": "query",
            "required": name in form.get("required", ()),
            **({"description": schema["description"]} if "description" in schema else {}),
            "schema": _without_null({key: value for key, value in schema.items() if key != "description"}),
        }
        for name, schema in form["properties"].items()
    ]


def _headers(operation: Operation) -> list[str]:
    uploads = ["Content-Digest"] if isinstance(operation.body, UploadSpec) else []
    creates = ["Idempotency-Key"] if operation.creates else []
    return [*operation.headers, *creates, *uploads, "X-Request-Id"]


def _form(operation: Operation, part: str, schemas: Schemas) -> JsonObject:
    """A form of the file and, if the client likes, of the query's options."""
    options: JsonObject = {}
    if operation.query is not None:
        properties = schemas.resolved(schemas.of(operation.query))["properties"]
        options = {name: _without_null(schema) for name, schema in properties.items()}
    return {"type": "object", "properties": {part: FILE, **options}, "required": [part], "additionalProperties": False}


def _without_null(schema: JsonObject) -> JsonObject:
    """The schema of what a query or a form can say, which has no null."""
    choices: list[JsonObject] = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    only: JsonObject = choices[0]
    return {key: value for key, value in schema.items() if key != "anyOf"} | only
