"""A write-only buffer for streaming: a response takes the bytes that a file writer has written so far."""

from __future__ import annotations

import io
from typing import Any


class Outgoing(io.RawIOBase):
    """A file object for writers that never seek. It keeps the bytes in memory until they are taken."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, content: Any) -> int:
        """Store the bytes until `take` returns them."""
        part = bytes(content)
        self._parts.append(part)
        return len(part)

    def take(self) -> bytes:
        """Return and remove the bytes written since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
