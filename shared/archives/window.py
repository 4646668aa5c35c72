"""A file's bytes, read ahead in pieces: a run of small neighbours costs one call of the system.

Not mapped: a mapped file that is cut off or lost while it is read, as may happen on a network's file system, would take
the process with it, where a read is an error.
"""

from __future__ import annotations

import os

PIECE = 256 * 1024


class Window:
    """One piece of a file at a time. Each process and thread needs its own; the descriptor may be common to all."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.start = 0  # of `buffer` in the file
        self.buffer = b""

    def find(self, start: int, size: int) -> int:
        """Bring `size` bytes from `start` of the file into `buffer`, fewer where the file ends; tells where in it."""
        at = start - self.start
        if at < 0 or at + size > len(self.buffer):
            self.buffer = b""  # before the next is there: one piece is enough
            self.buffer = os.pread(self._descriptor, max(size, PIECE), start)
            self.start, at = start, 0
        return at

    def read(self, start: int, size: int) -> bytes:
        """The bytes from `start` of the file; fewer where the file ends."""
        at = self.find(start, size)
        return self.buffer[at : at + size]
