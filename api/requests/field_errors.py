"""Messages about invalid fields, in the words of HTTP and JSON instead of those of Pydantic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic_core import core_schema

from shared.errors import FieldError
from shared.network.settings.validation import shown
from shared.storage.names import NAME, NAME_RULE

PYDANTIC_KINDS = frozenset(get_args(core_schema.ErrorType))
TYPES = {  # by the first word of a Pydantic error type, such as `int_parsing`
    "bool": "true or false",
    "dict": "a JSON object",
    "finite": "a finite number",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "mapping": "a JSON object",
    "model": "a JSON object",
    "string": "a string",
    "tuple": "a list",
}
LIMITS = {
    "greater_than": ("must be greater than {}", "gt"),
    "greater_than_equal": ("must be at least {}", "ge"),
    "less_than": ("must be less than {}", "lt"),
    "less_than_equal": ("must be at most {}", "le"),
    "string_too_short": ("must have at least {} characters", "min_length"),
    "string_too_long": ("must have at most {} characters", "max_length"),
    "too_short": ("must have at least {} entries", "min_length"),
    "too_long": ("must have at most {} entries", "max_length"),
}
"""Messages of Pydantic's errors about bounds, and the member of the error's context that holds the bound."""


def summary(fields: Sequence[FieldError]) -> str:
    """Return one line for all invalid fields: each field's name and its problem."""
    return "; ".join(f"{name_of(field)}: {field.detail}" for field in fields)


def name_of(field: FieldError) -> str:
    """Return the field's name as people write it: `hidden[1]` for `#/hidden/1`, `the body` for the whole body."""
    if field.pointer is None:
        return field.parameter or "the request"
    parts = [part.replace("~1", "/").replace("~0", "~") for part in field.pointer.removeprefix("#").split("/")[1:]]
    path = "".join(f"[{part}]" if part.isdecimal() else f".{part}" for part in parts)
    return path.removeprefix(".") or "the body"


def reason_of(item: Any) -> str:
    """Return what is wrong with a field. `item`: an entry of `ValidationError.errors()`."""
    kind, context = item["type"], item.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return "is not a field of this request"
        case "missing":
            return "is required"
        case "value_error":
            return str(context["error"])
        case _ if kind not in PYDANTIC_KINDS:
            return str(item["msg"])  # a `PydanticCustomError` of this application
    given = item["input"]
    is_bound = kind.startswith(("greater_than", "less_than"))
    return f"{_requirement(kind, context)}; got {given if is_bound else shown(given)}"


def _requirement(kind: str, context: Mapping[str, Any]) -> str:
    """Return what a value of the field must be."""
    if kind in LIMITS:
        text, name = LIMITS[kind]
        return text.format(_number(context[name]))
    if kind in {"literal_error", "enum"}:
        return f"must be {context['expected'].replace(chr(39), '')}"
    if kind == "string_pattern_mismatch":
        return NAME_RULE if NAME in context["pattern"] else f"must match the regular expression {context['pattern']}"
    return f"must be {TYPES.get(kind.partition('_')[0], 'valid')}"


def _number(value: object) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)
