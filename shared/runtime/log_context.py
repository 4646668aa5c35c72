"""The context fields of log lines: the request, its API key, the job. Each thread has its own context."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_NOTHING: Mapping[str, str] = MappingProxyType({})
_context: ContextVar[Mapping[str, str]] = ContextVar("log_context", default=_NOTHING)


def current() -> Mapping[str, str]:
    """Return the current fields."""
    return _context.get()


def bind(**fields: str | None) -> None:
    """Add fields until `clear`; those that are None are omitted."""
    _context.set({**_context.get(), **{name: value for name, value in fields.items() if value is not None}})


def clear() -> None:
    """Remove all fields."""
    _context.set(_NOTHING)


@contextmanager
def bound(**fields: str | None) -> Iterator[None]:
    """Add fields for the duration of a block."""
    before = _context.get()
    bind(**fields)
    try:
        yield
    finally:
        _context.set(before)
