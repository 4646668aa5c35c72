"""What the log's lines of this moment belong to: a request, the key that sent it, a job. Each thread has its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_NOTHING: Mapping[str, str] = MappingProxyType({})
_context: ContextVar[Mapping[str, str]] = ContextVar("log_context", default=_NOTHING)


def current() -> Mapping[str, str]:
    """The fields that hold now."""
    return _context.get()


def bind(**fields: str | None) -> None:
    """Add fields until `clear`; what is None is left out."""
    _context.set({**_context.get(), **{name: value for name, value in fields.items() if value is not None}})


def clear() -> None:
    """Forget all fields."""
    _context.set(_NOTHING)


@contextmanager
def bound(**fields: str | None) -> Iterator[None]:
    """Add fields for the length of a block."""
    before = _context.get()
    bind(**fields)
    try:
        yield
    finally:
        _context.set(before)
