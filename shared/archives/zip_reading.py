"""Reading the entries of a zip: the local header must agree with the central directory, the content with its CRC."""

from __future__ import annotations

import struct
import zlib

from shared.archives.plan import Plan
from shared.archives.rows import Rows
from shared.archives.window import Window
from shared.archives.zip_directory import MANY
from shared.archives.zip_planning import DEFLATED, ENCRYPTED, LOCAL_BYTES, ZIP64, extra_fields
from shared.errors import Invalid, Malformed
from shared.settings import Settings

LOCAL = struct.Struct("<4s2x2H4x3L2H")  # magic, flags, method, CRC, packed, size, lengths of name and extra fields
MAGIC = b"PK\x03\x04"
SIZES_FOLLOW, PATCHED = 0x8, 0x20  # of an entry's flags
LONGEST_HEADER = LOCAL_BYTES + 2 * 0xFFFF


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
        row = self._rows[index]
        offset, end, packed, size, _, _, crc, _, _, _, method = row
        if size > self._max_entry_bytes:
            raise Malformed("entry_too_large", f"the entry is larger than {self._max_entry_bytes} bytes")
        at = self._window.find(offset, min(end - offset, packed + LONGEST_HEADER))
        content = self._window.buffer
        start = at + header_bytes(content, at, row, self._names)
        content = content[start : start + packed]
        if method == DEFLATED:
            content = inflated(content, size)
        elif packed != size:
            raise damaged("it is not as long as the archive's directory says")
        if zlib.crc32(content) != crc:
            raise damaged("its checksum is wrong")
        return content


def header_bytes(buffer: bytes, at: int, row: tuple[int, ...], names: memoryview) -> int:
    """How long the local header at `at` of `buffer` is, behind which the data are.

    Raises `Malformed` where it says otherwise than the entry's row in the plan, or where the data would reach into what
    follows the entry.
    """
    offset, end, packed, size, _, raw, crc, _, raw_length, flags, method = row
    if len(buffer) < at + LOCAL.size:
        raise damaged("the file ends before it")
    magic, local_flags, local_method, *local, name_length, extra_length = LOCAL.unpack_from(buffer, at)
    name = at + LOCAL.size
    if (
        magic != MAGIC
        or buffer[name : name + name_length] != names[raw : raw + raw_length]
        or local_method != method
        or (local_flags | flags) & (ENCRYPTED | PATCHED)
    ):
        raise damaged("its own header says otherwise than the archive's directory")
    length: int = LOCAL.size + name_length + extra_length
    if local != [crc, packed, size]:
        _check_sizes(local, [crc, packed, size], local_flags, buffer[name + name_length : at + length])
    if offset + length + packed > end:
        raise damaged("it reaches into what follows it")
    return length


def _check_sizes(local: list[int], central: list[int], flags: int, extra: bytes) -> None:
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
