"""Zip archives: validation by the central directory, and reading of entries.

The rules answer overlapping entries (Fifield 2019), false sizes, path tricks, and archives in archives. The
local headers are compared with the central directory, and the content with its CRC, when an entry is read.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.archives.entries import Collector, Rows, Rule, Window, enforce, name_problem, shown, validate_names
from shared.archives.index import ENTRY, ArchiveIndex, Entry, Kind
from shared.archives.zip_directory import CENTRAL, MANY, Block, Directory, blocks, damaged
from shared.errors import Invalid, Malformed, TooLarge
from shared.runtime.settings import MiB, Settings

METHODS = STORED, DEFLATED = 0, 8
PLAIN = (0, stat.S_IFREG, stat.S_IFDIR)
ENCRYPTED, UTF8 = 0x1 | 0x40 | 0x2000, 0x800  # of an entry's flags (APPNOTE 4.4.4)
LOCAL_BYTES = 30  # of a local header, without name and extra fields
ZIP64, UNICODE_PATH = 0x0001, 0x7075  # extra fields (APPNOTE 4.5.3, 4.6.9)
ABSURD = 2**61  # more bytes than any file has; sums of it still fit

LOCAL = struct.Struct("<4s2x2H4x3L2H")  # magic, flags, method, CRC, packed, size, lengths of name and extra fields
LOCAL_MAGIC = b"PK\x03\x04"
SIZES_FOLLOW, PATCHED = 0x8, 0x20  # of an entry's flags
LONGEST_LOCAL_HEADER = LOCAL_BYTES + 2 * 0xFFFF

Sizes = tuple[int, int, int]  # CRC, packed and unpacked size


def index_zip(descriptor: int, file_size: int, directory: Directory, limits: Settings) -> ArchiveIndex:
    """Judge the whole central directory; raises `TooLarge` or `Invalid` with the first entry that breaks a rule."""
    collector = Collector(directory.size // CENTRAL.itemsize, limits)
    for block in blocks(descriptor, directory):
        run = _run(block, directory)
        spelled = raw_names(block)
        names = _names(block, spelled, limits)
        collector.check(len(run), int(np.minimum(run["size"], limits.max_expanded_bytes + 1).sum()))
        passed_over = _validate(block, run, names, limits)
        collector.add(run, [name.encode() for name in names], passed_over, spelled)
    _refuse_overlap(collector, directory, file_size)
    return collector.plan(Kind.ZIP)


def _run(block: Block, directory: Directory) -> NDArray[np.void]:
    """What the records say of their entries, (n,) of ENTRY; the names are still to come."""
    run = np.zeros(len(block.records), ENTRY)
    for name in ("packed", "size", "offset", "crc", "flags", "method"):
        run[name] = block.records[name]
    wide = (block.records["size"] == MANY) | (block.records["packed"] == MANY) | (block.records["offset"] == MANY)
    for index in np.flatnonzero(wide).tolist():
        _widen(run, index, _extra(block, index))
    if np.isin(block.records["disk"], (0, 0xFFFF), invert=True).any():
        raise damaged("it is one part of an archive in several")
    run["offset"] += directory.shift
    return run


def _widen(run: NDArray[np.void], index: int, extra: bytes) -> None:
    """Take the values that do not fit into 32 bits from the zip64 extra field, which has those that are needed."""
    content = next((content for kind, content in extra_fields(extra) if kind == ZIP64), b"")
    needed = [name for name in ("size", "packed", "offset") if run[name][index] == MANY]
    if len(content) < 8 * len(needed):
        raise damaged("an entry lacks its zip64 sizes")
    for name, value in zip(needed, struct.unpack_from(f"<{len(needed)}Q", content), strict=True):
        run[name][index] = min(value, ABSURD)


def extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """The kind and content of each extra field; up to three bytes behind them are padding."""
    start = 0
    while start + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, start)
        start += 4
        if start + length > len(extra):
            raise damaged("an extra field is cut short")
        yield kind, extra[start : start + length]
        start += length


def _extra(block: Block, index: int) -> bytes:
    record = block.records[index]
    start = int(block.starts[index]) + CENTRAL.itemsize + int(record["name_length"])
    return block.buffer[start : start + int(record["extra_length"])]


def raw_names(block: Block) -> list[bytes]:
    """The names of a block's entries as the archive spells them."""
    starts = block.starts + CENTRAL.itemsize
    ends = starts + block.records["name_length"]
    return [block.buffer[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def _names(block: Block, raw_names: list[bytes], limits: Settings) -> list[str]:
    """The names as text: in UTF-8 where the entry says so, else in code page 437; or from an extra field."""
    if b"".join(raw_names).isascii():
        names = [raw.decode("ascii") for raw in raw_names]
    else:
        utf8 = (block.records["flags"] & UTF8 != 0).tolist()
        try:
            names = [raw.decode("utf-8" if is_utf8 else "cp437") for raw, is_utf8 in zip(raw_names, utf8, strict=True)]
        except UnicodeDecodeError as error:
            raise damaged(f"a name is not the UTF-8 that it claims to be: {error}") from None
    for index in np.flatnonzero(block.records["extra_length"]).tolist():
        extra = _extra(block, index)
        if b"up" in extra:  # 0x7075, unless it stands there by chance
            for kind, content in extra_fields(extra):
                if kind == UNICODE_PATH:
                    names[index] = _second_name(names[index], raw_names[index], content, limits)
    return names


def _second_name(name: str, raw: bytes, content: bytes, limits: Settings) -> str:
    """The entry's name after all, where a Unicode path field belongs to it; neither of the two may lead elsewhere."""
    try:
        second = content[5:].decode()
    except UnicodeDecodeError as error:
        raise damaged(f"a name is not the UTF-8 that it claims to be: {error}") from None
    if not second:
        return name
    if len(content) > 5 + limits.max_name_bytes:
        raise Invalid("archive_path", f"{shown(second)} is a name of more than {limits.max_name_bytes} bytes")
    for each in (name, second):
        if problem := name_problem(each):
            raise Invalid("archive_path", f"the name {shown(each)} {problem}")
    return second if struct.unpack_from("<BL", content) == (1, zlib.crc32(raw)) else name


def _validate(block: Block, run: NDArray[np.void], names: Sequence[str], limits: Settings) -> NDArray[np.bool_]:
    """Apply every rule on a single entry; returns which of them are passed over (n,)."""
    kind = block.records["external"] >> 28 << 12  # the kind of file in the Unix mode, which is the upper half
    size, packed = run["size"], run["packed"]
    ratio = (size > MiB) & (size > limits.max_compression_ratio * packed.astype(np.float64))
    passed_over, bad_name = validate_names(names)

    long = f"is a name of more than {limits.max_name_bytes} bytes"
    large = f"is larger than {limits.max_entry_bytes} bytes"
    dense = f"unpacks to more than {limits.max_compression_ratio} times its size"
    encrypted, method = run["flags"] & ENCRYPTED != 0, ~np.isin(run["method"], METHODS)
    rules = (
        Rule(encrypted, Invalid, "archive_encrypted", "is encrypted; send the archive without a password"),
        Rule(method, Invalid, "archive_method", "is packed by a method other than stored and deflate"),
        Rule(block.records["name_length"] > limits.max_name_bytes, Invalid, "archive_path", long),
        Rule(~np.isin(kind, PLAIN), Invalid, "archive_special_file", "is a link or a device, not a file"),
        Rule(size > limits.max_entry_bytes, TooLarge, "archive_entry_too_large", large),
        Rule(ratio, Invalid, "archive_ratio", dense),
    )
    enforce(rules, names, bad_name)
    return passed_over


def _refuse_overlap(collector: Collector, directory: Directory, file_size: int) -> None:
    """Each entry must end before the next one's header: else few bytes could stand for very many.

    Sets where each entry must end. The extra fields of local headers are not known here; an entry that overlaps by
    them is refused when it is read.
    """
    entries = collector.entries
    order = np.argsort(entries["offset"], kind="stable")
    starts = entries["offset"][order]
    ends = starts + LOCAL_BYTES + entries["raw_length"][order] + entries["packed"][order]
    if len(ends) and (ends > file_size).any():
        raise damaged("it is cut short: an entry ends behind the file's end")
    limits = np.append(starts[1:], directory.start)
    if (overlapping := ends > limits[: len(ends)]).any():
        name = collector.name(int(order[overlapping.argmax()]))
        raise Invalid("archive_overlap", f"{shown(name)} overlaps what follows it")
    entries["end"][order] = limits[: len(ends)]


def entry_damaged(what: str) -> Malformed:
    """The error for an entry that is not what the central directory says."""
    return Malformed("entry_damaged", f"the entry cannot be unpacked: {what}")


class ZipEntries:
    """The entries of an open zip."""

    def __init__(self, descriptor: int, plan: ArchiveIndex, limits: Settings) -> None:
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
        at = self._window.find(entry.offset, min(entry.end - entry.offset, packed + LONGEST_LOCAL_HEADER))
        content = self._window.buffer
        start = at + header_bytes(content, at, entry, self._names)
        content = content[start : start + packed]
        if entry.method == DEFLATED:
            content = inflated(content, size)
        elif packed != size:
            raise entry_damaged("it is not as long as the archive's directory says")
        if zlib.crc32(content) != entry.crc:
            raise entry_damaged("its checksum is wrong")
        return content


def header_bytes(buffer: bytes, at: int, entry: Entry, names: memoryview) -> int:
    """The length of the local header at `at` in `buffer`; the data follow it.

    Raises `Malformed` if the header contradicts the entry in the index, or if the data overlap what follows the entry.
    """
    if len(buffer) < at + LOCAL_BYTES:
        raise entry_damaged("the file ends before it")
    magic, local_flags, local_method, crc, packed, size, name_length, extra_length = LOCAL.unpack_from(buffer, at)
    name, raw = at + LOCAL_BYTES, entry.raw
    if (
        magic != LOCAL_MAGIC
        or buffer[name : name + name_length] != names[raw : raw + entry.raw_length]
        or local_method != entry.method
        or (local_flags | entry.flags) & (ENCRYPTED | PATCHED)
    ):
        raise entry_damaged("its own header says otherwise than the archive's directory")
    length: int = LOCAL_BYTES + name_length + extra_length
    if crc != entry.crc or packed != entry.packed or size != entry.size:
        extra = buffer[name + name_length : at + length]
        _check_sizes((crc, packed, size), (entry.crc, entry.packed, entry.size), local_flags, extra)
    if entry.offset + length + entry.packed > entry.end:
        raise entry_damaged("it reaches into what follows it")
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
        raise entry_damaged(f"its own header is wrong: {error}") from None
    for mine, theirs in zip((crc, packed, size), central, strict=True):
        if mine != theirs and not (flags & SIZES_FOLLOW and mine == 0):
            raise entry_damaged("its own header tells other sizes than the archive's directory")


def inflated(content: bytes, size: int) -> bytes:
    """Unpack what deflate has packed, which must be exactly `size` bytes; no more than that is ever unpacked."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = stream.decompress(content, size + 1)
    except zlib.error as error:
        raise entry_damaged(str(error)) from None
    if len(content) != size or not stream.eof or stream.unused_data:
        raise entry_damaged("it is not as long as the archive's directory says")
    return content
