"""Sample values of a schema, built from the examples of the schema and its parts."""

from __future__ import annotations

from typing import Any

from api.openapi.schemas import Schemas
from shared.json_types import JsonObject


def sample(schema: JsonObject, schemas: Schemas) -> Any:
    """Return the schema's own example, or a value built from the examples, choices and defaults of its parts."""
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
