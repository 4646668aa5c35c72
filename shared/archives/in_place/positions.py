"""Reads at a position, of an open file or of an object in a store."""

from __future__ import annotations

import os
from typing import Protocol


class Positional(Protocol):
    """Bytes that are read at any position."""

    def read_at(self, start: int, least: int, most: int) -> bytes:
        """Return at least `least` bytes from `start`, and at most `most`; fewer at the end."""


Readable = int | Positional
"""The descriptor of an open file, or what has its bytes elsewhere."""


def read_at(file: Readable, start: int, least: int, most: int | None = None) -> bytes:
    """Return at least `least` bytes from `start`, and at most `most`, which is `least` by default; fewer at the end."""
    most = max(least, most or 0)
    return os.pread(file, most, start) if isinstance(file, int) else file.read_at(start, least, most)
