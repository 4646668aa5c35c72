"""What the OpenAPI document says of fields that the network itself judges (`shared.network.configuration`)."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import WithJsonSchema


def one_of(names: Iterable[str]) -> WithJsonSchema:
    """One of these names."""
    return WithJsonSchema({"type": "string", "enum": list(names)})


def named(names: Iterable[str], description: str) -> WithJsonSchema:
    """Settings of one of these, by its `name`; without one, of the preset's."""
    parts = {"name": {"type": "string", "enum": list(names)}}
    return WithJsonSchema({"type": "object", "properties": parts, "description": description})


def whole_number(minimum: int, maximum: int | None = None) -> WithJsonSchema:
    """A whole number of at least `minimum`."""
    most = {} if maximum is None else {"maximum": maximum}
    return WithJsonSchema({"type": "integer", "minimum": minimum, **most})


def whole_numbers(description: str, most: int) -> WithJsonSchema:
    """A list of at most so many whole numbers above 0."""
    items = {"type": "integer", "minimum": 1}
    return WithJsonSchema({"type": "array", "items": items, "maxItems": most, "description": description})


def number(minimum: float) -> WithJsonSchema:
    """A number of at least `minimum`."""
    return WithJsonSchema({"type": "number", "minimum": minimum})


def share(description: str) -> WithJsonSchema:
    """A number from 0 to below 1: the share of something."""
    return WithJsonSchema(
        {"type": "number", "minimum": 0, "exclusiveMaximum": 1, "description": f"the share {description}"}
    )
