"""Tar archives: headers (ustar, pax and GNU), validation in one pass over them, and reads of entries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.archives.entries import PIECE, Collector, Rows, Rule, Window, enforce, validate_names
from shared.archives.index import ENTRY, ArchiveIndex, Kind
from shared.errors import Invalid, Malformed, TooLarge
from shared.runtime.settings import Settings

BLOCK = 512
END = bytes(BLOCK)
FILES, FOLDER = frozenset(b"0\x007"), ord("5")  # entry types; 7 is a contiguous file, read as a plain file
PAX, PAX_OF_ALL, LONG_NAME, LONG_LINK = b"xgLK"
POSIX_MAGIC = b"ustar\x00"
MAX_RECORDS = 64  # of a pax header
RELEVANT = (b"path=", b"size=", b"sparse", b"SCHILY.realsize")  # a pax header without these is ignored
REDEFINES = frozenset({b"path", b"size", b"linkpath"})

RUN = 8192
EXTENSIONS = frozenset({PAX, PAX_OF_ALL, LONG_NAME, LONG_LINK})
LONGEST_EXTENSION = 64 * 1024


def damaged(what: str) -> Invalid:
    """Return the error for a tar whose structure is wrong."""
    return Invalid("archive_damaged", f"the tar archive cannot be read: {what}")


def is_tar(start: bytes) -> bool:
    """Return whether a file that starts with these bytes is a tar."""
    return len(start) >= BLOCK and (start[257:262] == b"ustar" or (start[0] != 0 and checksums_agree([start[:BLOCK]])))


def checksums_agree(headers: Sequence[bytes]) -> bool:
    """Return whether each header's checksum is right; some old writers sum signed bytes."""
    try:
        stated = np.array([number(header[148:156]) for header in headers])
    except Invalid:
        return False
    content = np.frombuffer(b"".join(headers), np.uint8).reshape(-1, BLOCK)
    counted = np.concatenate([content[:, :148], content[:, 156:]], axis=1)
    sums = counted.sum(axis=1, dtype=np.int64) + 8 * ord(" ")
    signed = sums - 256 * (counted > 127).sum(axis=1)
    return bool(((stated == sums) | (stated == signed)).all())


def number(field: bytes) -> int:
    """Parse a number in octal digits, or in binary if it is too large for these (GNU, star)."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.partition(b"\0")[0].strip(b" ")
    if not digits:
        return 0
    try:
        if digits.isdigit():
            return int(digits, 8)
    except ValueError:
        pass
    raise damaged("a numeric field of a header is not a number")


def header_name(header: bytes) -> bytes:
    """Return the name that the header itself holds."""
    name = header[:100].partition(b"\0")[0]
    if header.startswith(POSIX_MAGIC, 257) and header[345]:
        return header[345:500].partition(b"\0")[0] + b"/" + name
    return name


def pax_values(content: bytes) -> dict[bytes, bytes]:
    """Parse a pax header, which describes the entry after it; returns nothing if it has no relevant record."""
    if not any(word in content for word in RELEVANT):
        return {}
    records = dict(_pax_records(content))
    if any(b"sparse" in key or key == b"SCHILY.realsize" for key in records):
        raise Invalid("archive_special_file", "the archive contains a sparse file; pack it without --sparse")
    return records


def _pax_records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values. A record is its own length, a space, a key, `=`, a value and a line feed."""
    start = count = 0
    while start < len(content):
        space = content.find(b" ", start, start + 10)
        digits = content[start:space]
        end = start + int(digits) if space > 0 and digits.isdigit() else 0
        equals = content.find(b"=", space, end)
        count += 1
        if equals < 0 or end > len(content) or content[end - 1] != ord("\n") or count > MAX_RECORDS:
            raise damaged("a pax header is wrong")
        yield content[space + 1 : equals], content[equals + 1 : end - 1]
        start = end


def pax_size(values: dict[bytes, bytes], size: int) -> int:
    """Return an entry's size; a pax header overrides the entry's own header, whose field may be too short."""
    digits = values.get(b"size")
    if digits is None:
        return size
    if not digits.isdigit() or len(digits) > 20:
        raise damaged("the size in a pax header is not a number")
    return int(digits)


class Member(NamedTuple):
    """One entry: its kind, the bytes of its name, and the offset and size of its data."""

    kind: int
    name: bytes
    offset: int
    size: int


def index_tar(descriptor: int, file_size: int, limits: Settings) -> ArchiveIndex:
    """Validate every header and build the index; raises `TooLarge` or `Invalid` for the first bad entry."""
    collector = Collector(file_size // BLOCK, limits)
    walk = Walk(descriptor, file_size, limits)
    members = iter(walk)
    while run := list(islice(members, RUN)):
        walk.check_headers()
        entries = np.zeros(len(run), ENTRY)
        entries["offset"] = [member.offset for member in run]
        entries["size"] = entries["packed"] = [member.size for member in run]
        entries["end"] = entries["offset"] + entries["size"]
        collector.check(len(run), int(entries["size"].sum()))
        names = [_text(member) for member in run]
        reasons = _validate(run, entries["size"], names, limits)
        collector.add(entries, [name.encode() for name in names], reasons)
    walk.check_headers()
    return collector.build_index(Kind.TAR)


class Walk:
    """An iterator over the entries, header by header; call `check_headers` before you use what it yields."""

    def __init__(self, descriptor: int, file_size: int, limits: Settings) -> None:
        self._window = Window(descriptor)
        self._file_size = file_size
        self._limits = limits
        self._unchecked: list[bytes] = []

    def check_headers(self) -> None:
        """Verify the checksums of the headers read since the last call; raises `Invalid`."""
        if self._unchecked and not checksums_agree(self._unchecked):
            raise damaged("the checksum of a header is wrong")
        self._unchecked.clear()

    def __iter__(self) -> Iterator[Member]:
        """Yield every entry up to the end mark; raises `Invalid` if data follow it."""
        place = count = 0
        name, values = b"", dict[bytes, bytes]()  # from the extension headers before an entry's own header
        while (header := self._window.read(place, BLOCK)) != END:
            if len(header) < BLOCK:
                raise damaged("it is cut short: the end mark is missing")
            self._unchecked.append(header)
            if len(self._unchecked) > 2 * RUN:  # a run of extension headers yields no entries
                self.check_headers()
            count += 1
            if count > 2 * self._limits.max_archive_entries:  # each entry may have one extension header
                raise TooLarge(
                    "archive_too_large", f"the archive has more than {self._limits.max_archive_entries} entries"
                )
            kind, size = header[156], number(header[124:136])
            place += BLOCK
            if kind not in EXTENSIONS:
                size = pax_size(values, size)
            if place + size > self._file_size:
                raise damaged("it is cut short: an entry ends after the file's end")
            if kind not in EXTENSIONS:
                yield Member(kind, values.get(b"path") or name or header_name(header), place, size)
                name, values = b"", {}
            else:
                content = self._extension(place, size)
                if kind == PAX:
                    values = pax_values(content)
                elif kind == LONG_NAME:
                    name = content.partition(b"\0")[0]
                elif kind == PAX_OF_ALL and REDEFINES & pax_values(content).keys():
                    raise damaged("a header redefines all entries")
            place += -(-size // BLOCK) * BLOCK  # padded with zeros
        if name or values:
            raise damaged("a header belongs to no entry")
        self._check_rest(place)

    def _extension(self, place: int, size: int) -> bytes:
        if size > LONGEST_EXTENSION:
            raise damaged("an extension header is too long")
        return self._window.read(place, size)

    def _check_rest(self, place: int) -> None:
        while content := self._window.read(place, PIECE):
            if content.strip(b"\0"):
                raise damaged("data follow its end mark; send joined archives one by one")
            place += len(content)


def _text(member: Member) -> str:
    """Decode the name as UTF-8, or else as Latin-1, which accepts any bytes."""
    name = member.name + b"/" if member.kind == FOLDER and not member.name.endswith(b"/") else member.name
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")


def _validate(run: list[Member], sizes: NDArray[np.int64], names: list[str], limits: Settings) -> NDArray[np.uint8]:
    """Apply every rule for a single entry; returns the reasons why entries are skipped, as `validate_names` does."""
    kinds = np.array([member.kind for member in run])
    lengths = np.array([len(member.name) for member in run])
    reasons, bad_name = validate_names(names)
    long = f"has a name of more than {limits.max_name_bytes} bytes; shorten it"
    special = ~np.isin(kinds, [*FILES, FOLDER])
    large = f"is larger than {limits.max_entry_bytes} bytes; send a smaller file"
    rules = (
        Rule(lengths > limits.max_name_bytes, Invalid, "archive_path", long),
        Rule(special, Invalid, "archive_special_file", "is a link, a device or a sparse file; pack plain files only"),
        Rule((kinds == FOLDER) & (sizes > 0), Invalid, "archive_damaged", "is a folder with content"),
        Rule(sizes > limits.max_entry_bytes, TooLarge, "archive_entry_too_large", large),
    )
    enforce(rules, names, reasons, bad_name)
    return reasons


class TarEntries:
    """The entries of an open tar."""

    def __init__(self, descriptor: int, archive: ArchiveIndex, limits: Settings) -> None:
        self._window = Window(descriptor)
        self._rows = Rows(archive.entries)
        self._max_entry_bytes = limits.max_entry_bytes

    def read(self, index: int) -> bytes:
        """Return one entry's bytes; raises `Malformed`."""
        entry = self._rows[index]
        if entry.size > self._max_entry_bytes:
            raise Malformed("entry_too_large", f"the entry is larger than {self._max_entry_bytes} bytes")
        content = self._window.read(entry.offset, entry.size)
        if len(content) != entry.size:
            raise Malformed("entry_damaged", "the entry cannot be unpacked: the file ends before it does")
        return content
