"""A value that fits a schema, made of the examples that it and its parts have."""

from __future__ import annotations

from typing import Any

from api.openapi.schemas import Schemas
from shared.json_types import JsonObject


def sample(schema: JsonObject, schemas: Schemas) -> Any:
    """The schema's own example, or else one that its parts' examples, choices and defaults make up."""
    schema = schemas.resolved(schema)
    match schema:
        case {"examples": [example, *_]} | {"const": example} | {"enum": [example, *_]} | {"default": example}:
            return example
        case {"anyOf": [first, *_]}:
            return sample(first, schemas)
        case {"properties": parts}:
            required = schema.get("required", [])
            return {name: sample(part, schemas) for name, part in parts.items() if name in required}
        case {"type": "array", "items": item}:
            return [sample(item, schemas)]
    return {"string": "", "integer": schema.get("minimum", 0), "number": 0.5, "boolean": False, "array": []}.get(
        schema.get("type", ""), {}
    )
