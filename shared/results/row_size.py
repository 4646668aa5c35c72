"""The size of a batch's rows: how many classes a row has, so that long class names do not make rows of any size."""

from __future__ import annotations

from collections.abc import Sequence
from json.encoder import encode_basestring as quoted

CLASS = len('{"label": , "probability": 1.234567e-10}, ')
"""Bytes of a class in a row besides its name."""

ROW = len('{"path": , "label": , "confidence": 1.234567e-10, "top": []}\n')
"""Bytes of a row besides its path and the names of classes."""


def row_bytes(classes: Sequence[str], top_k: int) -> int:
    """Return the most bytes of a row with the `top_k` best of these classes, without its path."""
    sizes = _sizes(classes)
    return ROW + sizes[0] + sum(CLASS + size for size in sizes[:top_k])


def classes_that_fit(classes: Sequence[str], top_k: int, most_bytes: int) -> int:
    """Return how many of the `top_k` best classes each row can have within `most_bytes`, at least one."""
    left = most_bytes - row_bytes(classes, 0)
    for count, size in enumerate(_sizes(classes)[:top_k]):
        left -= CLASS + size
        if left < 0:
            return max(1, count)
    return top_k


def _sizes(classes: Sequence[str]) -> list[int]:
    """Return the bytes of the classes' names in JSON, the largest first."""
    return sorted((len(quoted(name).encode()) for name in classes), reverse=True)
