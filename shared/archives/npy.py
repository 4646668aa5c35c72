"""The header of one array in NumPy's format: read and judged before the array is, and never unpickled.

The format (`numpy.lib.format`) is a magic, a header with dtype, order and shape, the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from tokenize import TokenError
from typing import IO, Any, cast

import numpy as np
from numpy.lib import format as npy

from shared.errors import Invalid

MAGIC = npy.MAGIC_PREFIX
READ_HEADER = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
LONGEST_HEADER = 10_000  # NumPy takes no longer one either, but reads it before it looks
# What NumPy's parser raises on a text that is no header:
UNREADABLE = (ValueError, TypeError, LookupError, SyntaxError, RecursionError, MemoryError, TokenError)


@dataclass(frozen=True)
class Header:
    """What a header says of the array `name`, and how many bytes magic and header took."""

    name: str
    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]
    start: int

    def __str__(self) -> str:
        return f"{self.dtype!s:.80} of shape {self.shape!s:.80}"  # a header may tell more than a person would read

    @property
    def nbytes(self) -> int:
        """The bytes of the array's data."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize


@dataclass(frozen=True)
class Sparing:
    """A file that gives little at a time: a header that claims gigabytes is refused before it is unpacked."""

    file: IO[bytes]

    def read(self, size: int) -> bytes:
        """The next bytes; raises ValueError for more than a header may have."""
        if size > LONGEST_HEADER:
            raise ValueError(f"it claims to have {size} bytes")
        return self.file.read(size)


def read_header(file: IO[bytes], name: str, size: int) -> Header:
    """Read and judge the header at the start of `size` bytes that hold one array; leaves `file` at its data.

    Raises `Invalid` where it is none, tells of pickled objects, or does not agree with the size.
    """
    before = file.tell()
    sparing = cast("IO[bytes]", Sparing(file))
    try:
        version = npy.read_magic(sparing)
        shape, fortran_order, dtype = READ_HEADER[version](sparing)
    except UNREADABLE as error:
        reason = str(error)[:200]
        raise Invalid("npz_header", f"{name} has no header of NumPy's format, version 1 or 2: {reason}") from error
    header = Header(name, shape, fortran_order, dtype, file.tell() - before)
    if dtype.hasobject:
        raise Invalid("npz_pickled", f"{name} holds pickled objects, which are never loaded: save plain numbers")
    if any(side < 0 for side in shape) or header.start + header.nbytes != size:
        raise Invalid(
            "npz_header",
            f"the header of {name} claims {header}, but {size - header.start} bytes follow",
        )
    return header


def check_images(header: Header) -> None:
    """Check that an array holds images: uint8 (N, H, W), one behind the other; raises `Invalid`."""
    name, dtype, shape = header.name, header.dtype, header.shape
    if dtype != np.uint8 or len(shape) != 3:
        raise Invalid("npz_images", f"{name} must be uint8 of shape (N, H, W); it is {header}")
    if header.fortran_order:
        raise Invalid("npz_images", f"{name} is stored in Fortran order: save numpy.ascontiguousarray({name})")
    if 0 in shape:
        raise Invalid("npz_empty", f"{name} is empty: it is {header}")
