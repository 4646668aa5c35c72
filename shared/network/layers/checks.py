"""The check: a callback that long computations call between their parts.

The caller can report progress in it, or stop the computation by an exception, which passes through unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Check: TypeAlias = Callable[[], None]


def no_check() -> None:
    """Do nothing: the check of callers that have none."""
