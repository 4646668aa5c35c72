"""A zip's central directory (APPNOTE 4.3.12 to 4.3.16): located from the file's end, read block by block.

If other bytes precede the archive, its offsets count from the archive's start, not the file's.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.archives.in_place.positions import Readable, read_at
from shared.errors import Invalid

END = struct.Struct("<4s4H2LH")  # disks, entries on this disk and in all, size, offset, comment's length
END64_LOCATOR = struct.Struct("<4sLQL")
END64 = struct.Struct("<4sQ2H2L4Q")
MAX_COMMENT = 0xFFFF
MANY = 0xFFFF_FFFF  # in a field of 32 bits: the value is in the zip64 record, or in the zip64 extra field

CENTRAL_MAGIC = b"PK\x01\x02"
CENTRAL = np.dtype(
    [
        ("magic", "S4"),
        ("made_by", "<u2"),
        ("needed", "<u2"),
        ("flags", "<u2"),
        ("method", "<u2"),
        ("time", "<u4"),
        ("crc", "<u4"),
        ("packed", "<u4"),
        ("size", "<u4"),
        ("name_length", "<u2"),
        ("extra_length", "<u2"),
        ("comment_length", "<u2"),
        ("disk", "<u2"),
        ("internal", "<u2"),
        ("external", "<u4"),
        ("offset", "<u4"),
    ]
)
LENGTHS = struct.Struct("<4s24x3H")  # of one record: magic, lengths of name, extra fields and comment
BLOCK = 1024 * 1024  # much more than the longest record


@dataclass(frozen=True)
class Directory:
    """The central directory's place in the file, the shift of its offsets, and its stated number of entries."""

    start: int
    size: int
    shift: int  # bytes before the archive
    count: int
    count_mask: int  # a writer without zip64 drops the upper bits of the count

    @property
    def end(self) -> int:
        """The offset of the central directory's end."""
        return self.start + self.size


@dataclass(frozen=True)
class Block:
    """A run of whole records: the `buffer` that holds them, their offsets in it, and their fixed fields."""

    buffer: bytes
    starts: NDArray[np.int64]  # (n,)
    records: NDArray[np.void]  # (n,) of CENTRAL


JOIN = "join the parts into one archive"


def damaged(what: str, remedy: str = "copy it or pack it again") -> Invalid:
    """Return the error for a zip whose structure is wrong."""
    return Invalid("archive_damaged", f"the zip archive cannot be read: {what}; {remedy}")


def find_directory(file: Readable, file_size: int) -> Directory | None:
    """Find the central directory; returns None if the file is not a zip, and raises `Invalid` if it is damaged."""
    tail_start = max(0, file_size - END.size - MAX_COMMENT)
    tail = read_at(file, tail_start, file_size - tail_start)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < END.size:
        return None
    _, disk, directory_disk, here, count, size, offset, comment = END.unpack_from(tail, at)
    if at + END.size + comment > len(tail):
        raise damaged("its comment is cut short")
    end, mask = tail_start + at, 0xFFFF
    if record := _end64(file, end):
        claimed = (disk, directory_disk, here, count, size, offset)
        end, (disk, directory_disk, here, count, size, offset) = record
        limits = (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, MANY, MANY)
        for short, long, limit in zip(claimed, record[1], limits, strict=True):
            if short not in {long, limit}:
                raise damaged("its two end records disagree")
        mask = -1
    if (disk, directory_disk) != (0, 0) or here != count:
        raise damaged("it is one part of a multi-part archive", JOIN)
    if size + offset > end:
        raise damaged("its central directory is cut short")
    return Directory(end - size, size, end - size - offset, count, mask)


def _end64(file: Readable, end: int) -> tuple[int, tuple[int, ...]] | None:
    """Return the offset and fields of the zip64 end record before the plain one at `end`; None if it has none."""
    start = end - END64_LOCATOR.size - END64.size
    if start < 0:
        return None
    both = read_at(file, start, END64.size + END64_LOCATOR.size)
    if len(both) < END64.size + END64_LOCATOR.size:
        return None
    magic, length, _, _, disk, directory_disk, here, count, size, offset = END64.unpack_from(both)
    locator, locator_disk, place, disks = END64_LOCATOR.unpack_from(both, END64.size)
    if locator != b"PK\x06\x07" or magic != b"PK\x06\x06":
        return None
    if length != END64.size - 12 or locator_disk != 0 or disks > 1 or place != offset + size:
        raise damaged("its zip64 end record is wrong")
    return start, (disk, directory_disk, here, count, size, offset)


def first_name(file: Readable, directory: Directory) -> bytes:
    """Return the name of the first entry; empty if the directory has no entries."""
    start = read_at(file, directory.start, min(directory.size, CENTRAL.itemsize + 0xFFFF))
    if len(start) < CENTRAL.itemsize:
        return b""
    _, length, _, _ = LENGTHS.unpack_from(start)
    return start[CENTRAL.itemsize : CENTRAL.itemsize + length]


def blocks(file: Readable, directory: Directory) -> Iterator[Block]:
    """Yield the central directory's records in blocks; raises `Invalid` if one is damaged or their number is wrong."""
    buffer, place, count = b"", directory.start, 0
    while place < directory.end or buffer:
        more = read_at(file, place, min(BLOCK, directory.end - place))
        place += len(more)
        buffer += more
        starts, used = _starts(buffer)
        if not starts:
            raise damaged("its central directory is cut short")
        at = np.array(starts)
        fixed = np.frombuffer(buffer, np.uint8)[at[:, None] + np.arange(CENTRAL.itemsize)]  # (n, 46)
        yield Block(buffer, at, fixed.view(CENTRAL)[:, 0])
        count += len(starts)
        buffer = buffer[used:]
    if count & directory.count_mask != directory.count:
        raise damaged(f"it has {count} entries, but its end record states {directory.count}")


def _starts(buffer: bytes) -> tuple[list[int], int]:
    """Return the offsets of the buffer's whole records, and the end of the last."""
    starts = []
    start, last, lengths = 0, len(buffer) - CENTRAL.itemsize, LENGTHS.unpack_from
    while start <= last:
        magic, name, extra, comment = lengths(buffer, start)
        if magic != CENTRAL_MAGIC:
            raise damaged("its central directory has a record that is not an entry")
        end = start + 46 + name + extra + comment
        if end > len(buffer):
            break
        starts.append(start)
        start = end
    return starts, start
