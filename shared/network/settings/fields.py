"""The description of a setting: its meaning and its values, also as JSON Schema.

A dataclass annotates each of its fields with a `Field`. The checks, the API's request, the OpenAPI document and
the client's options are all derived from the annotations:

    epochs: Annotated[int, Integer("Number of epochs", minimum=1)]
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_type_hints

from shared.network.errors import ConfigurationError
from shared.network.settings import validation

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


JsonObject = dict[str, Any]
"""A JSON Schema, or the values of settings, whose fields depend on what they describe."""


@dataclass(frozen=True)
class Field(ABC):
    """One setting. `description` is a short phrase without a full stop, which the command's help shows unchanged."""

    description: str

    @abstractmethod
    def check(self, name: str, value: object) -> Any:
        """Return the value in its normal form. Raises ConfigurationError, which names the field."""

    def check_override(self, name: str, value: object) -> Any:
        """Return a value that replaces a preset's, after the checks that are possible without the preset."""
        return self.check(name, value)

    @abstractmethod
    def schema(self) -> JsonObject:
        """Return the JSON Schema of the values."""


@dataclass(frozen=True)
class Flag(Field):
    """True or False."""

    def check(self, name: str, value: object) -> bool:
        """Return the value."""
        return validation.boolean(name, value)

    def schema(self) -> JsonObject:
        """Return the type."""
        return {"type": "boolean", "description": self.description}


@dataclass(frozen=True)
class Integer(Field):
    """A whole number in [minimum, maximum]."""

    _: dataclasses.KW_ONLY
    minimum: int
    maximum: int | None = None

    def check(self, name: str, value: object) -> int:
        """Return the number."""
        return validation.integer(name, value, minimum=self.minimum, maximum=self.maximum)

    def schema(self) -> JsonObject:
        """Return the type and the bounds."""
        bounds = {"minimum": self.minimum, "maximum": self.maximum}
        return {"type": "integer", **_given(bounds), "description": self.description}


@dataclass(frozen=True)
class Number(Field):
    """A finite number with above < value, minimum ≤ value and value < below; `optional` allows None."""

    _: dataclasses.KW_ONLY
    above: float | None = None
    minimum: float | None = None
    below: float | None = None
    optional: bool = False

    def check(self, name: str, value: object) -> float | None:
        """Return the number as a float, so that 1 and 1.0 have the same form in JSON."""
        if value is None and self.optional:
            return None
        return validation.number(name, value, above=self.above, minimum=self.minimum, below=self.below)

    def schema(self) -> JsonObject:
        """Return the type and the bounds."""
        bounds = {"exclusiveMinimum": self.above, "minimum": self.minimum, "exclusiveMaximum": self.below}
        number = {"type": "number", **_given(bounds)}
        return {**(or_null(number) if self.optional else number), "description": self.description}


@dataclass(frozen=True)
class Choice(Field):
    """One of the given names."""

    names: tuple[str, ...]

    def __init__(self, description: str, names: Iterable[str]) -> None:
        object.__setattr__(self, "description", description)
        object.__setattr__(self, "names", tuple(names))

    def check(self, name: str, value: object) -> str:
        """Return the name."""
        return validation.choice(name, value, self.names)

    def schema(self) -> JsonObject:
        """Return the names."""
        return {"type": "string", "enum": list(self.names), "description": self.description}


@dataclass(frozen=True)
class Integers(Field):
    """A list of at most `longest` whole numbers of at least `minimum`."""

    _: dataclasses.KW_ONLY
    minimum: int
    longest: int

    def check(self, name: str, value: object) -> tuple[int, ...]:
        """Return the numbers as a tuple."""
        if not isinstance(value, list | tuple):
            raise ConfigurationError(name, f"must be a list of whole numbers; got {validation.shown(value)}")
        if len(value) > self.longest:
            raise ConfigurationError(name, f"must have at most {self.longest} numbers; got {len(value)}")
        return tuple(validation.integer(f"{name}.{i}", each, minimum=self.minimum) for i, each in enumerate(value))

    def schema(self) -> JsonObject:
        """Return the type and the bounds."""
        items = {"type": "integer", "minimum": self.minimum}
        return {"type": "array", "items": items, "maxItems": self.longest, "description": self.description}


def fields_of(kind: type[DataclassInstance]) -> Mapping[str, Field]:
    """Return the description of each of a dataclass's fields, in their order.

    Raises TypeError if a field has none, so that no setting can be added without one.
    """
    return _fields_of(kind)


@cache
def _fields_of(kind: type[Any]) -> Mapping[str, Field]:
    hints = get_type_hints(kind, include_extras=True)
    described: dict[str, Field] = {}
    for field in dataclasses.fields(kind):
        found = [each for each in getattr(hints[field.name], "__metadata__", ()) if isinstance(each, Field)]
        if len(found) != 1:
            raise TypeError(f"annotate {kind.__name__}.{field.name} with one Field, such as Integer or Number")
        described[field.name] = found[0]
    return MappingProxyType(described)


def normalize(settings: DataclassInstance, prefix: str = "") -> None:
    """Check each field of a new frozen dataclass, and replace its value by the normal form.

    Raises ConfigurationError, which names the field with `prefix` before it.
    """
    for name, field in fields_of(type(settings)).items():
        object.__setattr__(settings, name, field.check(prefix + name, getattr(settings, name)))


def or_null(schema: JsonObject) -> JsonObject:
    """Return the JSON Schema that also allows null."""
    return {"anyOf": [schema, {"type": "null"}]}


def _given(bounds: Mapping[str, float | None]) -> dict[str, float]:
    return {name: bound for name, bound in bounds.items() if bound is not None}
