"""Arrays in files, of which parts are read: no process maps or loads a whole index."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from shared.errors import Damaged
from shared.storage import durable


class OpenFile:
    """A file that is open for reads at any place, until this object is collected."""

    def __init__(self, path: Path) -> None:
        """Raises FileNotFoundError."""
        self.descriptor = os.open(path, os.O_RDONLY)
        finalize(self, os.close, self.descriptor)


class ScratchFile:
    """A temporary file that is removed when this object is collected, unless it was moved before."""

    def __init__(self, beside: Path) -> None:
        self.path = durable.temporary_beside(beside)
        with durable.translated_errors():
            self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        finalize(self, os.close, self.descriptor)
        self._removed = finalize(self, self.path.unlink, missing_ok=True)
        self.size = 0

    @property
    def is_temporary(self) -> bool:
        """Whether the file still has its temporary name."""
        return self._removed.alive

    def discard(self) -> None:
        """Remove the file, unless it was moved; its descriptor stays open."""
        self._removed()

    def append(self, content: bytes | NDArray[Any]) -> int:
        """Write the content at the file's end; return its offset. Raises `StorageFull`."""
        offset = self.size
        self.write(content, offset)
        return offset

    def write(self, content: bytes | NDArray[Any], offset: int) -> None:
        """Write the content at this offset. Raises `StorageFull`."""
        data = content if isinstance(content, bytes) else content.data
        view = memoryview(data).cast("B") if len(content) else memoryview(b"")  # an empty view cannot be cast
        with durable.translated_errors():
            while view:
                count = os.pwrite(self.descriptor, view, offset)
                view, offset = view[count:], offset + count
        self.size = max(self.size, offset)

    def copy_from(self, other: Self) -> None:
        """Append the content of another file."""
        place = 0
        while block := os.pread(other.descriptor, durable.BLOCK, place):
            self.append(block)
            place += len(block)

    def move(self, path: Path) -> None:
        """Make the content durable, and rename the file to `path`, in the same file system."""
        with durable.translated_errors():
            os.fsync(self.descriptor)
        durable.make_folder(path.parent)
        durable.rename(self.path, path)
        self._removed.detach()


class StoredArray:
    """An array (n,) in a file. A slice of it is read into memory."""

    def __init__(self, file: OpenFile | ScratchFile, offset: int, count: int, dtype: np.dtype[Any]) -> None:
        self.file = file
        self.offset = offset
        self.dtype = dtype
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, part: slice) -> NDArray[Any]:
        start, stop, _ = part.indices(self._count)
        rows = np.empty(max(0, stop - start), self.dtype)
        view = rows.view(np.uint8).data if len(rows) else memoryview(b"")
        place = self.offset + start * self.dtype.itemsize
        while view:
            count = os.preadv(self.file.descriptor, [view], place)
            if count == 0:
                raise Damaged("plan_damaged", "the index of the archive is cut short")
            view, place = view[count:], place + count
        return rows
