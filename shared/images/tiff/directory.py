"""The directory of a TIFF's first image: its fields, as arrays of integers."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from shared.errors import Malformed

Order = Literal["<", ">"]

WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266  # TIFF 6.0, section 8
STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS_PER_STRIP, STRIP_COUNTS, PLANAR = 273, 274, 277, 278, 279, 284
PREDICTOR, COLOUR_MAP, TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_COUNTS = 317, 320, 322, 323, 324, 325
INK_SET, EXTRA_SAMPLES, SAMPLE_FORMAT = 332, 338, 339
SUBFILE_TYPE, SUB_IFDS = 254, 330
REDUCED = 1  # the bit of the subfile type that says: a smaller copy of another image
FIELDS = frozenset(
    {
        *(WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, STRIP_OFFSETS, ORIENTATION, SAMPLES),
        *(ROWS_PER_STRIP, STRIP_COUNTS, PLANAR, PREDICTOR, COLOUR_MAP, TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS),
        *(TILE_COUNTS, INK_SET, EXTRA_SAMPLES, SAMPLE_FORMAT, SUBFILE_TYPE),
    }
)
TYPES = {1: "u1", 3: "u2", 4: "u4", 16: "u8"}  # BYTE, SHORT, LONG, and BigTIFF's LONG8
MAX_ENTRIES = 65_535


@dataclass(frozen=True)
class Directory:
    """The fields of an image, by their tags.

    order: the file's byte order. several: whether more images follow. nested: whether the image has directories of its
    own for others, such as smaller copies, or the data of a camera's sensor.
    """

    order: Order
    big: bool
    several: bool
    fields: dict[int, NDArray[Any]]
    nested: bool = False

    def values(self, tag: int) -> list[int]:
        """Return a field's values; none if the field is missing."""
        found = self.fields.get(tag)
        return [] if found is None else [int(value) for value in found[:MAX_ENTRIES]]

    def first(self, tag: int, default: int) -> int:
        """Return a field's first value."""
        found = self.fields.get(tag)
        return default if found is None or not len(found) else int(found[0])


def directory_of(content: bytes) -> Directory:
    """Read the first directory of a TIFF; raises `Malformed` if the file ends before its end."""
    order: Order = "<" if content[:2] == b"II" else ">"
    big = 43 in content[2:4]
    try:
        if big:
            sizes, zero, start = struct.unpack_from(order + "HHQ", content, 4)
            if (sizes, zero) != (8, 0):
                raise damaged("its header is invalid")
            (count,) = struct.unpack_from(order + "Q", content, start)
            entry, place = struct.Struct(order + "HHQ8s"), start + 8
        else:
            (start,) = struct.unpack_from(order + "I", content, 4)
            (count,) = struct.unpack_from(order + "H", content, start)
            entry, place = struct.Struct(order + "HHI4s"), start + 2
        if count > MAX_ENTRIES:
            raise damaged("its directory is invalid")
        end = place + count * entry.size
        if end > len(content):
            raise damaged("the file ends before its directory")
        (following,) = struct.unpack_from(order + ("Q" if big else "I"), content[end : end + 8].ljust(8, b"\0"))
        fields: dict[int, NDArray[Any]] = {}
        nested = False
        for tag, kind, number, value in entry.iter_unpack(content[place:end]):
            nested |= tag == SUB_IFDS
            if tag in FIELDS and tag not in fields:
                fields[tag] = _values(content, order, kind, number, value)
    except (struct.error, OverflowError):
        raise damaged("the file ends before its directory") from None
    return Directory(order, big, following not in {0, start} and following < len(content) - 2, fields, nested)


def _values(content: bytes, order: Order, kind: int, count: int, value: bytes) -> NDArray[Any]:
    """Return the values of a field: they are in its entry if they fit, else where the entry points to."""
    if kind not in TYPES:
        raise damaged("a field of its directory is not a number")
    dtype = np.dtype(order + TYPES[kind])
    size = count * dtype.itemsize
    if size <= len(value):
        return np.frombuffer(value, dtype, count)
    place = int.from_bytes(value, "little" if order == "<" else "big")
    if place + size > len(content):
        raise damaged("the file ends before a field of its directory")
    return np.frombuffer(content, dtype, count, place)


def damaged(reason: str) -> Malformed:
    """Return the error for a file that is damaged."""
    return Malformed("image_damaged", f"the TIFF is damaged or cut short: {reason}")
