"""`make options`: writes the client's options from the models of the API's requests.

The client cannot import the API, so its types and help texts are in a separate, generated file. A test compares the
file with the output of this module.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import glassbox

from api.openapi.schemas import Schemas
from api.requests.validation import RequestModel
from api.resources.batches.batch_jobs import BatchOptions
from api.resources.evaluations.evaluation_jobs import EvaluationRequest
from api.resources.trainings.training_jobs import TrainingRequest

FILE = Path(glassbox.__file__).parent / "options.py"
ARGUMENTS = {"model", "dataset"}  # the arguments of the `Client`'s methods that are not options
LITERALS = {
    "preset": "Preset",
    "invert": "Invert",
    "sink_format": "SinkFormat",
    "split": "Split",
    "priority": "Priority",
}
TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}

Json = dict[str, Any]

TEMPLATE = '''"""Options of trainings, batches and evaluations, by their names in the API.

Generated from the API's requests by `make options`, and compared with them by a test. To change an option, change the
API's request, and generate this file again.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple, TypedDict

{literals}


class TrainingOptions(TypedDict, total=False):
    """A training. Each setting replaces the preset's."""

{training_options}


class BatchOptions(TypedDict, total=False):
    """A batch."""

{batch_options}


class EvaluationOptions(TypedDict, total=False):
    """An evaluation."""

{evaluation_options}


class Option(NamedTuple):
    """The description of an option, its values in words, and bounds that the command checks."""

    description: str
    values: str = ""
    default: str | None = None
    minimum: int | None = None
    maximum: int | None = None


TRAINING: Final = {{
{training}
}}
"""All options of a training; a dot leads to a setting in a group."""
'''


def options_source(
    training: type[RequestModel] = TrainingRequest,
    batch: type[RequestModel] = BatchOptions,
    evaluation: type[RequestModel] = EvaluationRequest,
) -> str:
    """Return the source of `glassbox.options`."""
    training_fields = _properties(training)
    options = _properties(batch)
    evaluation_fields = _properties(evaluation)
    literals = {
        alias: _without_null(properties[name])["enum"]
        for properties in (training_fields, options, evaluation_fields)
        for name, alias in LITERALS.items()
        if name in properties
    }
    return formatted(
        TEMPLATE.format(
            literals="\n".join(
                f"{alias} = Literal[{', '.join(map(_quoted, names))}]" for alias, names in literals.items()
            ),
            training_options=_members(training_fields),
            batch_options=_members(options),
            evaluation_options=_members(evaluation_fields),
            training="\n".join(f"    {_quoted(path)}: {_option(schema)}," for path, schema in _flat(training_fields)),
        )
    )


def formatted(source: str) -> str:
    """Return the source as ruff formats a file of the client."""
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(FILE), "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout


def _properties(model: type[RequestModel]) -> dict[str, Json]:
    schemas = Schemas([model])
    properties: dict[str, Json] = schemas.resolved(schemas.of(model))["properties"]
    return properties


def _members(properties: dict[str, Json]) -> str:
    """Return the members of a TypedDict."""
    members = {name: LITERALS.get(name) or _type(schema) for name, schema in properties.items()}
    return "\n".join(f"    {name}: {kind}" for name, kind in members.items() if name not in ARGUMENTS)


def _type(schema: Json) -> str:
    match schema:
        case {"anyOf": [some, {"type": "null"}]}:
            return f"{_type(some)} | None"
        case {"type": "array", "items": items}:
            return f"list[{_type(items)}]"
        case {"type": "object", "additionalProperties": {"type": kind}}:
            return f"dict[str, {TYPES[kind]}]"
        case {"type": "object"}:
            return "dict[str, Any]"
    return TYPES[schema["type"]]


def _flat(properties: dict[str, Json], prefix: str = "") -> Iterator[tuple[str, Json]]:
    """Each option, and after a group its settings, by their paths. A group that cannot be null has only settings."""
    for name, schema in properties.items():
        settings = _without_null(schema).get("properties", {})
        if not settings or "anyOf" in schema:
            yield prefix + name, schema
        yield from _flat(settings, f"{prefix}{name}.")


def _option(schema: Json) -> str:
    plain = _without_null(schema)
    arguments = [_quoted(schema["description"])]
    if values := _values(plain):
        values += "" if plain is schema else ", or null"
        arguments.append(f"values={_quoted(values)}")
    if "default" in plain:
        arguments.append(f"default={_quoted(plain['default'])}")
    if plain.get("type") == "integer":
        arguments += [f"{bound}={plain[bound]}" for bound in ("minimum", "maximum") if bound in plain]
    return f"Option({', '.join(arguments)})"


def _values(schema: Json) -> str:
    if "enum" in schema:
        return ", ".join(schema["enum"])
    if "properties" in schema:
        return "the settings below"
    if schema.get("type") == "boolean":
        return "true, false"
    if members := schema.get("items", {}).get("properties"):
        return f"at most {schema['maxItems']} objects with {', '.join(members)}"
    words = {
        "minimum": "at least {}",
        "maximum": "at most {}",
        "exclusiveMinimum": "greater than {}",
        "exclusiveMaximum": "less than {}",
        "maxItems": "at most {} numbers",
        "maxProperties": "at most {}",
    }
    return ", ".join(text.format(schema[bound]) for bound, text in words.items() if bound in schema)


def _without_null(schema: Json) -> Json:
    match schema:
        case {"anyOf": [some, {"type": "null"}]}:
            return dict(some)
    return schema


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


if __name__ == "__main__":
    FILE.write_text(options_source())
