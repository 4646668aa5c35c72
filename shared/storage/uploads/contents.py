"""Where the bytes of an upload are: in a file of its own, or at their place in the file of the whole.

A part with a place shares the file `data` with the other parts of the whole: their concatenation copies nothing.
The size of a shared file says nothing about one part. So a small file counts the bytes of each part.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Protocol

from shared.storage.uploads import space

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
COUNT = re.compile(rb"(\d{20}) (\d{20}) (\S+)")


class Contents(Protocol):
    """The open bytes of an upload. guard: a descriptor that is locked while bytes are written."""

    guard: int

    def size(self) -> int:
        """Return how many bytes have been received."""

    def write(self, view: memoryview, offset: int) -> int:
        """Write some of these bytes, which follow the received ones; return how many."""

    def flush(self) -> None:
        """Make the bytes durable, without a change to their number."""

    def store_size(self) -> None:
        """Make the number of the bytes durable, after the bytes themselves. Only the upload's writer may call it."""

    def truncate(self, size: int, length: int) -> None:
        """Forget the bytes after `size`; keep space for `length` bytes reserved. Raises `StorageFull`."""

    def close(self) -> None:
        """Close the files."""


class OwnFile:
    """Bytes in a file whose size is their number."""

    def __init__(self, data: Path) -> None:
        self.guard = os.open(data, os.O_RDWR)

    def size(self) -> int:
        """Return how many bytes have been received."""
        return os.fstat(self.guard).st_size

    def write(self, view: memoryview, offset: int) -> int:
        """Write some of these bytes; return how many."""
        return os.pwrite(self.guard, view, offset)

    def flush(self) -> None:
        """Make the bytes durable, and their number, which is the file's size."""
        os.fdatasync(self.guard)

    def store_size(self) -> None:
        """Do nothing: `flush` has made the file's size durable."""

    def truncate(self, size: int, length: int) -> None:
        """Shorten the file, which releases its reserved space, and reserve that again. Raises `StorageFull`."""
        os.ftruncate(self.guard, size)
        space.reserve(self.guard, length)

    def close(self) -> None:
        """Close the file."""
        os.close(self.guard)


class PlacedBytes:
    """The bytes of a part from `start` on in the file of the whole, and the file `count` with their number."""

    def __init__(self, data: Path, count: Path, start: int) -> None:
        self._start = start
        self._data = os.open(data, os.O_RDWR)
        try:
            self.guard = os.open(count, os.O_RDWR)
        except BaseException:
            os.close(self._data)
            raise
        self._durable, self._size = read_count(self.guard)

    def size(self) -> int:
        """Return how many bytes have been received."""
        return self._size

    def write(self, view: memoryview, offset: int) -> int:
        """Write some of these bytes, and count them; return how many."""
        written = os.pwrite(self._data, view, self._start + offset)
        self._size = offset + written
        write_count(self.guard, self._durable, self._size)
        return written

    def flush(self) -> None:
        """Make the bytes durable."""
        os.fdatasync(self._data)

    def store_size(self) -> None:
        """Make the number of the bytes durable."""
        self._durable = self._size
        write_count(self.guard, self._durable, self._size)
        os.fdatasync(self.guard)

    def truncate(self, size: int, length: int) -> None:  # noqa: ARG002 - of the protocol
        """Count `size` bytes only. The space stays reserved."""
        self._size, self._durable = size, min(size, self._durable)
        write_count(self.guard, self._durable, self._size)

    def close(self) -> None:
        """Close the files."""
        os.close(self._data)
        os.close(self.guard)


def read_count(descriptor: int) -> tuple[int, int]:
    """Return how many bytes of a part are durable, and how many count.

    Bytes that are not durable count until the machine starts anew: they are in its page cache, whatever process dies.
    If the file is damaged, no byte counts, and the client sends the part again.
    """
    match = COUNT.match(os.pread(descriptor, 200, 0))
    if match is None:
        return 0, 0
    durable, written = int(match[1]), int(match[2])
    return durable, written if match[3].decode() == boot_id() else durable


def write_count(descriptor: int, durable: int, written: int) -> None:
    """Store how many bytes of a part are durable, and how many were written since this machine's start."""
    os.pwrite(descriptor, f"{durable:020} {written:020} {boot_id()}".encode(), 0)


@cache
def boot_id() -> str:
    """Return what identifies this start of the machine; of a system without it, the process."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return f"process-{os.getpid()}"
