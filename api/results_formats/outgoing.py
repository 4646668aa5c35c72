"""A file that is sent while it is written: what a writer has put in so far is taken out again, piece by piece."""

from __future__ import annotations

import io
from typing import Any


class Outgoing(io.RawIOBase):
    """A file for writers that never seek."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """It is for nothing else."""
        return True

    def write(self, content: Any) -> int:
        """Keep the bytes until they are taken."""
        part = bytes(content)
        self._parts.append(part)
        return len(part)

    def take(self) -> bytes:
        """What was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
