"""The JSON schemas of what requests and answers hold, made by pydantic; types that occur in several are shared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from shared.json_types import JsonObject

PREFIX = "#/components/schemas/"


class Schemas:
    """The schema of each of `types`; `components` are those that they refer to, by name."""

    def __init__(self, types: Iterable[Any]) -> None:
        inputs: Any = [(one, "validation", TypeAdapter(one)) for one in dict.fromkeys(types)]
        schemas, definitions = TypeAdapter.json_schemas(
            inputs, ref_template=PREFIX + "{model}", schema_generator=_WithoutNoise
        )
        components = definitions.get("$defs", {})
        names = {name: _short(name) for name in components}
        assert len(set(names.values())) == len(names), f"two types of one name: {sorted(names)}"
        self.components = {names[name]: _renamed(schema, names) for name, schema in components.items()}
        self._schemas = {one: _renamed(schema, names) for (one, _), schema in schemas.items()}

    def of(self, one: Any) -> JsonObject:
        """The type's schema, most often a reference to a component."""
        return self._schemas[one]

    def used_in(self, document: JsonObject) -> JsonObject:
        """The components to which the document refers, and those to which they refer, by name."""
        used: JsonObject = {}
        waiting = [document]
        while waiting:
            for name in set(re.findall(f'"{PREFIX}([^"]+)"', json.dumps(waiting.pop()))) - used.keys():
                used[name] = self.components[name]
                waiting.append(used[name])
        return dict(sorted(used.items()))

    def resolved(self, schema: JsonObject) -> JsonObject:
        """The schema itself where it is a reference."""
        while "$ref" in schema:
            schema = self.components[schema["$ref"].removeprefix(PREFIX)]
        return schema


class _WithoutNoise(GenerateJsonSchema):
    """Keeps the fields' order, and leaves out what says nothing: titles like the field's name, null as a default."""

    def sort(self, value: JsonObject, parent_key: str | None = None) -> JsonObject:  # noqa: ARG002
        return value

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def default_schema(self, schema: Any) -> JsonObject:
        json_schema = super().default_schema(schema)
        if "default" in json_schema and json_schema["default"] is None:
            del json_schema["default"]
        return json_schema


def _short(name: str) -> str:
    """`Job` for the type `JobView`, `JobPage` for `Page[JobView]`."""
    page = re.fullmatch(r"Page_(\w+)_", name)
    return f"{_short(page[1])}Page" if page else name.removesuffix("View")


def _renamed(schema: Any, names: dict[str, str]) -> JsonObject:
    text = json.dumps(schema)
    for name, short in names.items():
        text = text.replace(f'"{PREFIX}{name}"', f'"{PREFIX}{short}"')
    renamed: JsonObject = json.loads(text)
    renamed.pop("title", None)
    return renamed
