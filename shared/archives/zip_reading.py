"""Reading the entries of a zip: the local header must agree with the central directory, the content with its CRC."""

from __future__ import annotations

import struct
import zlib

from shared.archives.plan import Entry, Plan
from shared.archives.rows import Rows
from shared.archives.window import Window
from shared.archives.zip_directory import MANY
from shared.archives.zip_planning import DEFLATED, ENCRYPTED, LOCAL_BYTES, ZIP64, extra_fields
from shared.errors import Invalid, Malformed
from shared.runtime.settings import Settings

LOCAL = struct.Struct("<4s2x2H4x3L2H")  # magic, flags, method, CRC, packed, size, lengths of name and extra fields
MAGIC = b"PK\x03\x04"
SIZES_FOLLOW, PATCHED = 0x8, 0x20  # of an entry's flags
LONGEST_HEADER = LOCAL_BYTES + 2 * 0xFFFF

Sizes = tuple[int, int, int]  # CRC, packed and unpacked size


def damaged(what: str) -> Malformed:
    """The error for an entry that is not what the central directory says."""
    return Malformed("entry_damaged", f"the entry cannot be unpacked: {what}")


class ZipEntries:
    """The entries of an open zip."""

    def __init__(self, descriptor: int, plan: Plan, limits: Settings) -> None:
        self._window = Window(descriptor)
        self._rows = Rows(plan.entries)
        self._names = plan.names.data
        self._max_entry_bytes = limits.max_entry_bytes

    def read(self, index: int) -> bytes:
        """One entry's bytes; raises `Malformed`."""
        entry = self._rows[index]
        packed, size = entry.packed, entry.size
        if size > self._max_entry_bytes:
            raise Malformed("entry_too_large", f"the entry is larger than {self._max_entry_bytes} bytes")
        at = self._window.find(entry.offset, min(entry.end - entry.offset, packed + LONGEST_HEADER))
        content = self._window.buffer
        start = at + header_bytes(content, at, entry, self._names)
        content = content[start : start + packed]
        if entry.method == DEFLATED:
            content = inflated(content, size)
        elif packed != size:
            raise damaged("it is not as long as the archive's directory says")
        if zlib.crc32(content) != entry.crc:
            raise damaged("its checksum is wrong")
        return content


def header_bytes(buffer: bytes, at: int, entry: Entry, names: memoryview) -> int:
    """How long the local header at `at` of `buffer` is, behind which the data are.

    Raises `Malformed` where it says otherwise than the entry in the plan, or where the data would reach into what
    follows the entry.
    """
    if len(buffer) < at + LOCAL.size:
        raise damaged("the file ends before it")
    magic, local_flags, local_method, crc, packed, size, name_length, extra_length = LOCAL.unpack_from(buffer, at)
    name = at + LOCAL.size
    if (
        magic != MAGIC
        or buffer[name : name + name_length] != names[entry.raw : entry.raw + entry.raw_length]
        or local_method != entry.method
        or (local_flags | entry.flags) & (ENCRYPTED | PATCHED)
    ):
        raise damaged("its own header says otherwise than the archive's directory")
    length: int = LOCAL.size + name_length + extra_length
    if crc != entry.crc or packed != entry.packed or size != entry.size:
        extra = buffer[name + name_length : at + length]
        _check_sizes((crc, packed, size), (entry.crc, entry.packed, entry.size), local_flags, extra)
    if entry.offset + length + entry.packed > entry.end:
        raise damaged("it reaches into what follows it")
    return length


def _check_sizes(local: Sizes, central: Sizes, flags: int, extra: bytes) -> None:
    """Compare CRC, packed and unpacked size with the directory's, where the local header does not simply repeat them.

    It may leave the sizes to its zip64 extra field; a writer that streams leaves all three to what follows the data.
    """
    crc, packed, size = local
    try:
        wide = next((content for kind, content in extra_fields(extra) if kind == ZIP64), b"")
        if size == MANY:
            (size,), wide = struct.unpack_from("<Q", wide), wide[8:]
        if packed == MANY:
            (packed,) = struct.unpack_from("<Q", wide)
    except (Invalid, struct.error) as error:
        raise damaged(f"its own header is wrong: {error}") from None
    for mine, theirs in zip((crc, packed, size), central, strict=True):
        if mine != theirs and not (flags & SIZES_FOLLOW and mine == 0):
            raise damaged("its own header tells other sizes than the archive's directory")


def inflated(content: bytes, size: int) -> bytes:
    """Unpack what deflate has packed, which must be exactly `size` bytes; no more than that is ever unpacked."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = stream.decompress(content, size + 1)
    except zlib.error as error:
        raise damaged(str(error)) from None
    if len(content) != size or not stream.eof or stream.unused_data:
        raise damaged("it is not as long as the archive's directory says")
    return content
