"""Zip archives: validation by the central directory, and reads of entries.

The rules reject overlapping entries (Fifield 2019), false sizes, unsafe paths, and archives in archives. When an entry
is read, its local header is compared with the central directory, and its content with the CRC.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.archives.damage import cause_of
from shared.archives.entries import (
    FOLDER,
    LINK,
    REASONS,
    RELATIVE,
    SPECIAL_ENTRY,
    SPECIAL_FILE,
    Rows,
    Rule,
    StoredNames,
    Window,
    check_ratio,
    enforce,
    name_problem,
    short_names,
    shown,
    too_long,
    validate_names,
)
from shared.archives.in_place.positions import Readable
from shared.archives.index import ENTRY, ArchiveIndex, Entry, Kind
from shared.archives.indexing.collector import Collector
from shared.archives.indexing.sorting import ExternalSort
from shared.archives.names.code_pages import ENOUGH, ZIP_DEFAULT, decoded, encodings_of, plain
from shared.archives.zip_directory import CENTRAL, JOIN, MANY, Block, Directory, blocks, damaged
from shared.errors import Invalid, Malformed
from shared.runtime.settings import MiB, Settings

METHODS = STORED, DEFLATED = 0, 8
UNIX = (3, 19)  # systems, in the upper half of `made_by`, whose attributes are a Unix mode; 19 is macOS
FAT = (0, 10, 11, 14)  # systems whose attributes are those of FAT
FAT_LABEL, FAT_FOLDER = 0x08, 0x10
SPECIAL = (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK)  # a FIFO is a file that was read from a pipe
ENCRYPTED, UTF8 = 0x1 | 0x40 | 0x2000, 0x800  # of an entry's flags (APPNOTE 4.4.4)
LOCAL_BYTES = 30  # of a local header, without name and extra fields
ZIP64, UNICODE_PATH = 0x0001, 0x7075  # extra fields (APPNOTE 4.5.3, 4.6.9)
ABSURD = 2**61  # replaces larger values: more than the size of any file, and the sum of two fits into 64 bits

LOCAL = struct.Struct("<4s2x2H4x3L2H")  # magic, flags, method, CRC, packed, size, lengths of name and extra fields
LOCAL_MAGIC = b"PK\x03\x04"
PATCHED = 0x20  # of an entry's flags
PACKING = MiB  # bytes by which a packed entry may exceed its content
LONGEST_LOCAL_HEADER = LOCAL_BYTES + 2 * 0xFFFF

Sizes = tuple[int, int, int]  # CRC, packed and unpacked size


BY_OFFSET = np.dtype([("key", "<u8"), ("number", "<u4")])
BY_NUMBER = np.dtype([("key", "<u8"), ("end", "<i8")])


class OutOfOrder(Exception):
    """The entries of the central directory are not in the order of their places in the file."""


class Run(NamedTuple):
    """A block of the directory, its entries (n,) of ENTRY with their ends, and their names as stored."""

    block: Block
    entries: NDArray[np.void]
    names: list[bytes]


def index_zip(path: Path, file: Readable, file_size: int, directory: Directory, limits: Settings) -> ArchiveIndex:
    """Validate the central directory and build the index; raises `TooLarge` or `Invalid` for the first bad entry.

    path: the archive, beside which the index is written.
    """
    try:
        return _index(path, file, file_size, directory, limits, _runs_in_order(file, directory))
    except OutOfOrder:
        runs = _runs_with_sorted_ends(path, file, directory)
        return _index(path, file, file_size, directory, limits, runs)


def _index(
    path: Path, file: Readable, file_size: int, directory: Directory, limits: Settings, runs: Iterator[Run]
) -> ArchiveIndex:
    decoder, overlap = Names(file, directory, limits), Overlap(file_size)
    with Collector(path, limits) as collector:
        for block, run, stored_names in runs:
            names = decoder.of(block, stored_names)
            collector.check(len(run), int(np.minimum(run["size"], limits.max_expanded_bytes + 1).sum()))
            encoded = [name.encode() for name in names]
            reasons = _validate(block, run, names, encoded, limits)
            overlap.check(run, names)
            collector.add(run, encoded, reasons, stored_names)
        overlap.refuse()
        check_ratio(collector.size, file_size, limits)
        return collector.build_index(Kind.ZIP)


def _runs(file: Readable, directory: Directory) -> Iterator[Run]:
    """Yield the directory's entries without their ends."""
    for block in blocks(file, directory):
        run = _run(block, directory)
        run["raw_length"] = block.records["name_length"]
        yield Run(block, run, raw_names(block))


def _runs_in_order(file: Readable, directory: Directory) -> Iterator[Run]:
    """Yield the directory's entries; an entry ends at the next one. Raises `OutOfOrder`."""
    before: Run | None = None
    for run in _runs(file, directory):
        offsets, ends = run.entries["offset"], run.entries["end"]
        if (offsets[1:] < offsets[:-1]).any():
            raise OutOfOrder
        ends[:-1] = offsets[1:]
        if before is not None:
            if offsets[0] < before.entries["offset"][-1]:
                raise OutOfOrder
            before.entries["end"][-1] = offsets[0]
            yield before
        before = run
    if before is not None:
        before.entries["end"][-1] = directory.start
        yield before


def _runs_with_sorted_ends(path: Path, file: Readable, directory: Directory) -> Iterator[Run]:
    """Yield the directory's entries in its order; an entry ends at the one with the next offset."""
    by_offset = ExternalSort(BY_OFFSET, path.with_name("offsets"))
    by_number = ExternalSort(BY_NUMBER, path.with_name("ends"))
    try:
        count = 0
        for run in _runs(file, directory):
            by_offset.add(key=run.entries["offset"], number=range(count, count + len(run.entries)))
            count += len(run.entries)
        last = np.empty(0, BY_OFFSET)
        for chunk in by_offset.chunks():
            rows = np.concatenate([last, chunk])
            by_number.add(key=rows["number"][:-1], end=rows["key"][1:].astype(np.int64))
            last = rows[-1:].copy()
        by_number.add(key=last["number"], end=np.full(len(last), directory.start))
        ends, chunks = np.empty(0, np.int64), by_number.chunks()
        for run in _runs(file, directory):
            while len(ends) < len(run.entries):
                ends = np.concatenate([ends, next(chunks)["end"]])
            run.entries["end"], ends = ends[: len(run.entries)], ends[len(run.entries) :]
            yield run
    finally:
        by_offset.discard()
        by_number.discard()


class Overlap:
    """Finds entries that overlap the next one: they let a small file unpack to a huge one.

    The local headers' extra fields are not read here; an entry that overlaps because of them is refused when it is
    read.
    """

    def __init__(self, file_size: int) -> None:
        self._file_size = file_size
        self._cut = False
        self._first: str | None = None

    def check(self, run: NDArray[np.void], names: Sequence[str]) -> None:
        """Check the entries of a run, whose `end` is set."""
        stops = run["offset"] + LOCAL_BYTES + run["raw_length"] + run["packed"]
        self._cut = self._cut or bool((stops > self._file_size).any())
        overlapping = stops > run["end"]
        if self._first is None and overlapping.any():
            self._first = names[int(overlapping.argmax())]

    def refuse(self) -> None:
        """Raise `Invalid` if any entry overlaps the next one or the file's end."""
        if self._cut:
            raise damaged("it is cut short: an entry ends after the file's end")
        if self._first is not None:
            detail = f"{shown(self._first)} overlaps the next entry or the directory; pack the files again"
            raise Invalid("archive_overlap", detail)


def _run(block: Block, directory: Directory) -> NDArray[np.void]:
    """Convert a block's records to entries, (n,) of ENTRY, without their names."""
    run = np.zeros(len(block.records), ENTRY)
    for name in ("packed", "size", "offset", "crc", "flags", "method"):
        run[name] = block.records[name]
    wide = (block.records["size"] == MANY) | (block.records["packed"] == MANY) | (block.records["offset"] == MANY)
    for index in np.flatnonzero(wide).tolist():
        _widen(run, index, _extra(block, index))
    if np.isin(block.records["disk"], (0, 0xFFFF), invert=True).any():
        raise damaged("it is one part of an archive in several", JOIN)
    run["offset"] += directory.shift
    return run


def _widen(run: NDArray[np.void], index: int, extra: bytes) -> None:
    """Read the values that do not fit into 32 bits from the zip64 extra field, which holds only these."""
    content = next((content for kind, content in extra_fields(extra) if kind == ZIP64), b"")
    needed = [name for name in ("size", "packed", "offset") if run[name][index] == MANY]
    if len(content) < 8 * len(needed):
        raise damaged("an entry lacks its zip64 sizes")
    for name, value in zip(needed, struct.unpack_from(f"<{len(needed)}Q", content), strict=True):
        run[name][index] = min(value, ABSURD)


def extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the kind and content of each extra field; other bytes after them are padding, as of `zipalign`."""
    start = 0
    while start + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, start)
        start += 4
        if start + length > len(extra):
            return
        yield kind, extra[start : start + length]
        start += length


def _extra(block: Block, index: int) -> bytes:
    record = block.records[index]
    start = int(block.starts[index]) + CENTRAL.itemsize + int(record["name_length"])
    return block.buffer[start : start + int(record["extra_length"])]


def raw_names(block: Block) -> list[bytes]:
    """Return the names of a block's entries as stored in the archive."""
    starts = block.starts + CENTRAL.itemsize
    ends = starts + block.records["name_length"]
    return [block.buffer[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


class Names:
    """The names of a zip's entries as text."""

    def __init__(self, file: Readable, directory: Directory, limits: Settings) -> None:
        self._file = file
        self._directory = directory
        self._limits = limits

    def of(self, block: Block, stored: list[bytes]) -> list[str]:
        """Decode a block's names: as UTF-8 if the entry's flag is set, else as chosen; an extra field overrides both.

        stored: the names as in the archive. Raises `Invalid`.
        """
        together = b"".join(stored)
        is_plain = together.isascii() and b"\\" not in together
        if together.isascii():
            names = [name.decode("ascii") for name in stored]
        else:
            names = [self._text(*each) for each in zip(stored, *_flags_and_systems(block), strict=True)]
        for index in np.flatnonzero(block.records["extra_length"]).tolist():
            extra = _extra(block, index)
            if b"up" in extra:  # the bytes of 0x7075; may occur by chance
                for kind, content in extra_fields(extra):
                    if kind == UNICODE_PATH:
                        names[index] = _unicode_name(names[index], stored[index], content, self._limits)
                        is_plain = False
        return names if is_plain else list(map(plain, names))

    def _text(self, name: bytes, flags: int, system: int) -> str:
        if name.isascii():
            return name.decode("ascii")
        if flags & UTF8:
            return _utf8(name)
        return decoded(name, self._encodings[system], ZIP_DEFAULT)

    @cached_property
    def _encodings(self) -> dict[int, tuple[str, ...]]:
        """The encodings of the names without the flag of UTF-8, by the system of the program that wrote them."""
        parts: dict[int, set[bytes]] = {}
        for block in blocks(self._file, self._directory):
            for name, flags, system in zip(raw_names(block), *_flags_and_systems(block), strict=True):
                if not (name.isascii() or flags & UTF8):
                    found = parts.setdefault(system, set())
                    if len(found) < ENOUGH:
                        found.update(part for part in name.split(b"/") if not part.isascii())
        return {
            system: encodings_of(found, windows=system in FAT, default=ZIP_DEFAULT) for system, found in parts.items()
        }


def _flags_and_systems(block: Block) -> tuple[list[int], list[int]]:
    return block.records["flags"].tolist(), (block.records["made_by"] >> 8).tolist()


def _utf8(name: bytes) -> str:
    """Decode a name that its entry states to be UTF-8; raises `Invalid`."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        given = shown(name.decode(errors="backslashreplace"))
        raise damaged(f"the name {given} is not UTF-8, as its entry states") from None


def _unicode_name(name: str, raw: bytes, content: bytes, limits: Settings) -> str:
    """Return the Unicode path field's name if its CRC matches, else `name`; raises `Invalid` if either is unsafe."""
    unicode_name = _utf8(content[5:])
    if not unicode_name:
        return name
    if too_long([content[5:]], limits).any():
        detail = (
            f"{shown(unicode_name)} has a name of more than {limits.max_name_bytes} bytes (GLASSBOX_MAX_NAME_BYTES)"
        )
        raise Invalid("archive_path", detail)
    for each in (name, unicode_name):
        if problem := name_problem(plain(each)):
            raise Invalid("archive_path", f"the name {shown(each)} {problem}; {RELATIVE}")
    return unicode_name if struct.unpack_from("<BL", content) == (1, zlib.crc32(raw)) else name


def _validate(
    block: Block, run: NDArray[np.void], names: Sequence[str], encoded: Sequence[bytes], limits: Settings
) -> NDArray[np.uint8]:
    """Apply every rule for a single entry; returns the reasons why entries are skipped, as `validate_names` does."""
    system, attributes = block.records["made_by"] >> 8, block.records["external"]
    kind = attributes >> 28 << 12  # the file type of the Unix mode in the upper half
    of_unix = np.isin(system, UNIX)
    reasons = np.zeros(len(names), np.uint8)
    reasons[of_unix & (kind == stat.S_IFLNK)] = REASONS.index(LINK)
    reasons[of_unix & np.isin(kind, SPECIAL)] = REASONS.index(SPECIAL_FILE)
    reasons, bad_name = validate_names(names, reasons)
    empty = (run["size"] == 0) & (reasons == 0) & np.isin(system, FAT)
    reasons[empty & (attributes & FAT_FOLDER != 0)] = REASONS.index(FOLDER)
    reasons[empty & (attributes & FAT_LABEL != 0)] = REASONS.index(SPECIAL_ENTRY)

    encrypted, method = run["flags"] & ENCRYPTED != 0, ~np.isin(run["method"], METHODS)
    rules = (
        Rule(encrypted, Invalid, "archive_encrypted", "is encrypted; send the archive without a password"),
        Rule(method, Invalid, "archive_method", "is compressed by a method other than deflate; pack it with deflate"),
        short_names(encoded, limits),
    )
    enforce(rules, names, reasons, bad_name)
    return reasons


def entry_damaged(what: str) -> Malformed:
    """Return the error for an entry that differs from the central directory."""
    return Malformed("entry_damaged", f"the entry cannot be unpacked: {what}")


class ZipEntries:
    """The entries of an open zip."""

    def __init__(self, file: Readable, archive: ArchiveIndex, limits: Settings) -> None:
        self._window = Window(file)
        self._rows = Rows(archive.entries)
        self._names = StoredNames(archive.names)
        self._max_entry_bytes = limits.max_entry_bytes

    def read(self, index: int) -> bytes:
        """Return one entry's bytes; raises `Malformed`."""
        entry = self._rows[index]
        packed, size = entry.packed, entry.size
        if size > self._max_entry_bytes or packed > self._max_entry_bytes + PACKING:
            raise Malformed(
                "entry_too_large",
                f"the entry is larger than {self._max_entry_bytes} bytes (GLASSBOX_MAX_ENTRY_BYTES)",
            )
        at = self._window.find(entry.offset, min(entry.end - entry.offset, packed + LONGEST_LOCAL_HEADER))
        content = self._window.buffer
        start = at + header_bytes(content, at, entry, self._names.get(entry.raw, entry.raw_length))
        content = content[start : start + packed]
        if entry.method == DEFLATED:
            content = inflated(content, size)
        elif packed != size:
            raise entry_damaged("its size differs from the archive's directory")
        if zlib.crc32(content) != entry.crc:
            raise entry_damaged("its checksum is wrong")
        return content


def header_bytes(buffer: bytes, at: int, entry: Entry, raw_name: bytes) -> int:
    """Return the length of the local header at `at` of `buffer`; the data follow it.

    raw_name: the entry's name as stored in the archive. Raises `Malformed` if the header differs from the entry in the
    index, or if the data reach beyond the entry's end.
    """
    if len(buffer) < at + LOCAL_BYTES:
        raise entry_damaged("the file ends before it")
    magic, local_flags, local_method, crc, packed, size, name_length, extra_length = LOCAL.unpack_from(buffer, at)
    name = at + LOCAL_BYTES
    if (
        magic != LOCAL_MAGIC
        or buffer[name : name + name_length] != raw_name
        or local_method != entry.method
        or (local_flags | entry.flags) & (ENCRYPTED | PATCHED)
    ):
        raise entry_damaged("its local header differs from the archive's directory")
    length: int = LOCAL_BYTES + name_length + extra_length
    if crc != entry.crc or packed != entry.packed or size != entry.size:
        extra = buffer[name + name_length : at + length]
        _check_sizes((crc, packed, size), (entry.crc, entry.packed, entry.size), extra)
    if entry.offset + length + entry.packed > entry.end:
        raise entry_damaged("it overlaps the next entry or the directory")
    return length


def _check_sizes(local: Sizes, central: Sizes, extra: bytes) -> None:
    """Compare CRC, packed and unpacked size with the directory's; raises `Malformed` if they differ.

    The sizes may be in the header's zip64 extra field. A writer that streams writes zeros here, and the values after
    the data; not every such writer sets the flag that says so.
    """
    crc, packed, size = local
    try:
        wide = next((content for kind, content in extra_fields(extra) if kind == ZIP64), b"")
        if size == MANY:
            (size,), wide = struct.unpack_from("<Q", wide), wide[8:]
        if packed == MANY:
            (packed,) = struct.unpack_from("<Q", wide)
    except (Invalid, struct.error) as error:
        raise entry_damaged(f"its local header is wrong: {cause_of(error)}") from None
    for found, expected in zip((crc, packed, size), central, strict=True):
        if found not in {expected, 0}:
            raise entry_damaged("the sizes in its local header differ from the archive's directory")


def inflated(content: bytes, size: int) -> bytes:
    """Inflate `content` to exactly `size` bytes; raises `Malformed` for another size, without unpacking the rest."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = stream.decompress(content, size + 1)
    except zlib.error as error:
        raise entry_damaged(cause_of(error)) from None
    if len(content) != size or not stream.eof or stream.unused_data:
        raise entry_damaged("its size differs from the archive's directory")
    return content
