"""Waiting for a condition: the only place where a test waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

INTERVAL = 0.01


def eventually(condition: Callable[[], T | None], within: float = 20.0, interval: float = INTERVAL) -> T:
    """Return the first true value of `condition`; raise an error, with its last value, if it stays false.

    An `AssertionError` or `OSError` that it raises counts as "not yet".
    """
    deadline = time.monotonic() + within
    while True:
        try:
            value = condition()
            if value:
                return value
            last = f"it was {value!r}"
        except (AssertionError, OSError) as error:
            last = f"{type(error).__name__}: {error}"
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {within} s; in the end {last}")
        time.sleep(interval)
