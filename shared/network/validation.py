"""Checks of single settings: each gives the value in its normal form, or names the field that is wrong."""

from __future__ import annotations

import math
from collections.abc import Iterable

from shared.network.errors import ConfigurationError


def integer(field: str, value: object, *, minimum: int, maximum: int | None = None) -> int:
    """Accept a whole number in [minimum, maximum]; True and 3.0 are none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(field, f"must be a whole number, not {_kind(value)}")
    if value < minimum:
        raise ConfigurationError(field, f"must be at least {minimum}")
    if maximum is not None and value > maximum:
        raise ConfigurationError(field, f"must be at most {maximum}")
    return int(value)


def number(
    field: str,
    value: object,
    *,
    above: float | None = None,
    minimum: float | None = None,
    below: float | None = None,
) -> float:
    """Accept a finite number with above < value, minimum ≤ value and value < below, as a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigurationError(field, f"must be a number, not {_kind(value)}")
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise ConfigurationError(field, "must be finite")
    if above is not None and value <= above:
        raise ConfigurationError(field, f"must be greater than {above:g}")
    if minimum is not None and value < minimum:
        raise ConfigurationError(field, f"must be at least {minimum:g}")
    if below is not None and value >= below:
        raise ConfigurationError(field, f"must be less than {below:g}")
    return value


def choice(field: str, value: object, known: Iterable[str]) -> str:
    """Accept one of the known names."""
    known = list(known)
    if not isinstance(value, str) or value not in known:
        raise ConfigurationError(field, f"must be one of {', '.join(known)}")
    return value


def _kind(value: object) -> str:
    return {bool: "a boolean", str: "text", float: "a fraction", type(None): "null"}.get(
        type(value), type(value).__name__
    )
