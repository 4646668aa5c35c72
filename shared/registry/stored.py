"""The parameters in a `weights.npz`, read a block at a time, so that a download takes little memory."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

BLOCK = 1024 * 1024  # bytes
LOCAL_HEADER = 30  # bytes of a zip's local header before the name and the extra field, whose lengths are at 26 and 28


@dataclass(frozen=True)
class StoredArray:
    """An array whose bytes are in C order and little-endian. `read` returns them by offset and size."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[int, int], bytes | memoryview]

    @classmethod
    def of(cls, array: NDArray[Any]) -> Self:
        """Return an array in memory."""
        ordered = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        content = ordered.reshape(-1).view(np.uint8).data
        return cls(array.shape, array.dtype, lambda offset, size: content[offset : offset + size])

    @property
    def nbytes(self) -> int:
        """The number of bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def blocks(self) -> Iterator[bytes | memoryview]:
        """Iterate over the bytes in blocks."""
        for start in range(0, self.nbytes, BLOCK):
            yield self.read(start, min(BLOCK, self.nbytes - start))

    def rows(self) -> Iterator[NDArray[Any]]:
        """Iterate over blocks (n, last side) of the array as a matrix."""
        width = self.shape[-1] * self.dtype.itemsize
        step = max(1, BLOCK // max(1, width)) * width
        for start in range(0, self.nbytes, step):
            content = self.read(start, min(step, self.nbytes - start))
            yield np.frombuffer(content, self.dtype.newbyteorder("<")).reshape(-1, self.shape[-1])

    def array(self) -> NDArray[Any]:
        """Return the whole array."""
        return np.frombuffer(self.read(0, self.nbytes), self.dtype.newbyteorder("<")).reshape(self.shape)


class OpenFile:
    """A file that threads may read at once; it stays readable after its deletion, and is closed when it is freed."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        os.close(self._descriptor)

    def stream(self) -> IO[bytes]:
        """Return the same open file as a stream of its own, for one thread."""
        return os.fdopen(os.dup(self._descriptor), "rb")

    @property
    def size(self) -> int:
        """The file's size in bytes."""
        return os.fstat(self._descriptor).st_size

    def read(self, offset: int, size: int) -> bytes:
        """Read exactly this many bytes. Raises OSError if the file is too short."""
        content = os.pread(self._descriptor, size, offset)
        while len(content) < size:
            more = os.pread(self._descriptor, size - len(content), offset + len(content))
            if not more:
                raise OSError("the file ends early")
            content += more
        return content


def stored_arrays(path: Path) -> dict[str, StoredArray]:
    """Return the arrays of a `weights.npz` by name, without their content."""
    return arrays_in(OpenFile(path))


def arrays_in(file: OpenFile) -> dict[str, StoredArray]:
    """Return the arrays of an `.npz` by name, without their content. Other bytes may precede the `.npz`."""
    with file.stream() as content, zipfile.ZipFile(content) as archive:
        return {member.filename.removesuffix(".npy"): _stored(file, archive, member) for member in archive.infolist()}


def _stored(file: OpenFile, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> StoredArray:
    with archive.open(member) as content:
        shape, fortran_order, dtype = _header(content)
        if member.compress_type != zipfile.ZIP_STORED or fortran_order or dtype != dtype.newbyteorder("<"):
            content.seek(0)  # NumPy does not write it like this on the machines that this code runs on
            return StoredArray.of(npy.read_array(content, allow_pickle=False))
        begin = content.tell()
    local = file.read(member.header_offset, LOCAL_HEADER)
    names = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    start = member.header_offset + LOCAL_HEADER + names + begin
    return StoredArray(shape, dtype, lambda offset, size: file.read(start + offset, size))


def _header(content: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(content)
    return npy.read_array_header_1_0(content) if version == (1, 0) else npy.read_array_header_2_0(content)
