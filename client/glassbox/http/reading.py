"""Reader of JSON as frozen dataclasses and named tuples, by their annotations.

Unknown fields of a newer server are skipped. A missing field takes its default. A field whose name begins with an
underscore is not read from JSON: the caller sets it.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from glassbox.errors import UnexpectedAnswer

T = TypeVar("T")
Reader = Callable[[Any], Any]


@dataclass(frozen=True)
class _Field:
    name: str
    reader: Reader | None  # None: the value is kept unchanged
    required: bool


def read(kind: type[T], values: Any, **private_fields: Any) -> T:
    """Return a value of `kind` from the JSON object `values`. Raises `UnexpectedAnswer` if they do not match.

    private_fields: values of the fields that are not read from JSON.
    """
    try:
        return kind(**_read_fields(kind, values), **private_fields)
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise UnexpectedAnswer(
            f"the server's response is not a {kind.__name__}: {error!r}; is it a Glassbox server, or a much older one?"
        ) from error


def field_names(kind: type) -> frozenset[str]:
    """Return the names of the fields that `read` reads."""
    return frozenset(field.name for field in _fields_of(kind))


def _read_fields(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for field in _fields_of(kind):
        if field.name in values:
            value = values[field.name]
            found[field.name] = value if field.reader is None else field.reader(value)
        elif field.required:
            raise KeyError(field.name)
    return found


@cache
def _fields_of(kind: type) -> tuple[_Field, ...]:
    hints = get_type_hints(kind)
    if is_dataclass(kind):
        required = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}
        names = [f.name for f in fields(kind) if not f.name.startswith("_")]
    else:
        names = list(kind._fields)  # type: ignore[attr-defined]
        required = set(names) - set(kind._field_defaults)  # type: ignore[attr-defined]
    return tuple(_Field(name, _reader(hints[name]), name in required) for name in names)


def _reader(hint: Any) -> Reader | None:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        return _one_of([each for each in arguments if each is not types.NoneType])
    if origin is tuple:
        each = _reader(arguments[0])
        return tuple if each is None else lambda values: tuple(map(each, values))
    if origin is dict:
        inner = _reader(arguments[1])
        return None if inner is None else lambda values: {key: inner(value) for key, value in values.items()}
    if _is_record(hint):
        return lambda values: hint(**_read_fields(hint, values))
    return None


def _one_of(kinds: list[Any]) -> Reader | None:
    """Return a reader for a union: null is None, and an object is the first record with all its required fields."""
    readers = [_reader(kind) for kind in kinds]
    if all(reader is None for reader in readers):
        return None

    def choose(values: Any) -> Any:
        if values is None:
            return None
        for kind, reader in zip(kinds, readers, strict=True):
            if not _is_record(kind) or {f.name for f in _fields_of(kind) if f.required} <= set(values):
                return values if reader is None else reader(values)
        raise ValueError(f"none of {', '.join(kind.__name__ for kind in kinds)} has the fields {', '.join(values)}")

    return choose


def _is_record(hint: Any) -> bool:
    return isinstance(hint, type) and (is_dataclass(hint) or hasattr(hint, "_fields"))
