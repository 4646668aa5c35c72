"""Checks of single settings: each returns the value in its normal form, or raises an error that names the field."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable

from shared.network.errors import ConfigurationError

LONGEST_SHOWN = 40


def boolean(field: str, value: object) -> bool:
    """Return True or False; 0, 1 and texts are not accepted. Raises ConfigurationError."""
    if not isinstance(value, bool):
        raise ConfigurationError(field, f"must be true or false; got {shown(value)}")
    return value


def integer(field: str, value: object, *, minimum: int, maximum: int | None = None) -> int:
    """Return a whole number in [minimum, maximum]; True and 3.0 are not accepted. Raises ConfigurationError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(field, f"must be a whole number; got {shown(value)}")
    if value < minimum:
        raise ConfigurationError(field, f"must be at least {minimum}; got {shown(value)}")
    if maximum is not None and value > maximum:
        raise ConfigurationError(field, f"must be at most {maximum}; got {shown(value)}")
    return int(value)


def number(
    field: str,
    value: object,
    *,
    above: float | None = None,
    minimum: float | None = None,
    below: float | None = None,
) -> float:
    """Return a finite number with above < value, minimum ≤ value and value < below, as a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigurationError(field, f"must be a number; got {shown(value)}")
    try:
        converted = float(value)
    except OverflowError:
        converted = math.inf
    if not math.isfinite(converted):
        raise ConfigurationError(field, f"must be a finite number; got {shown(value)}")
    if above is not None and converted <= above:
        raise ConfigurationError(field, f"must be greater than {above:g}; got {shown(value)}")
    if minimum is not None and converted < minimum:
        raise ConfigurationError(field, f"must be at least {minimum:g}; got {shown(value)}")
    if below is not None and converted >= below:
        raise ConfigurationError(field, f"must be less than {below:g}; got {shown(value)}")
    return converted


def choice(field: str, value: object, known: Iterable[str]) -> str:
    """Return one of the known names."""
    known = list(known)
    if not isinstance(value, str) or value not in known:
        raise ConfigurationError(field, f"must be one of {', '.join(known)}; got {shown(value)}")
    return value


def shown(value: object) -> str:
    """Return the value as JSON for an error message, cut to `LONGEST_SHOWN` characters."""
    try:
        text = json.dumps(value, default=repr)
    except (ValueError, TypeError, RecursionError):  # a number of thousands of digits, a dict with keys of other types
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
