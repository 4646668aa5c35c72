"""Tar archives: headers (ustar, pax and GNU), validation in one pass over them, and reads of entries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.archives.entries import (
    LINK,
    PIECE,
    REASONS,
    SPECIAL_ENTRY,
    SPECIAL_FILE,
    Rows,
    Rule,
    Window,
    check_ratio,
    enforce,
    normalised,
    short_names,
    validate_names,
)
from shared.archives.in_place.positions import Readable
from shared.archives.index import ENTRY, ArchiveIndex, Kind
from shared.archives.indexing.collector import Collector
from shared.archives.names.code_pages import ENOUGH, TAR_DEFAULT, decoded, encodings_of, is_utf8, plain
from shared.errors import Invalid, Malformed, TooLarge
from shared.runtime.settings import Settings

BLOCK = 512
END = bytes(BLOCK)
FILES = frozenset(b"0\x007")  # kinds of entries; 7 is a contiguous file, read as a plain file
HARD_LINK, SYMBOLIC_LINK, FOLDER, SPARSE, CONTINUED = b"125SM"
SPECIAL = frozenset(b"346")  # devices and pipes
WITHOUT_DATA = frozenset(b"23456")  # whatever size the header states (POSIX.1, pax)
PAX, PAX_OF_SOLARIS, PAX_OF_ALL, LONG_NAME, LONG_LINK = b"xXgLK"
POSIX_MAGIC = b"ustar\x00"
RELEVANT = (b"path=", b"size=", b"sparse", b"SCHILY.realsize")  # a pax header without these is ignored
SPARSE_NAME = b"GNU.sparse.name"
REDEFINES = frozenset({b"path", b"size", b"linkpath", SPARSE_NAME})

IS_EXTENDED, IS_EXTENDED_AGAIN = 482, 504
"""Offsets of the flags of GNU's sparse files, in the header and in the blocks after it, that another block follows."""

LONGEST_NUMBER = 20  # digits

RUN = 8192
EXTENSIONS = frozenset({PAX, PAX_OF_SOLARIS, PAX_OF_ALL, LONG_NAME, LONG_LINK})
LINKED_BYTES = 32 * 1024 * 1024  # of the names of files to which links point, in memory; further links are skipped
OVERHEAD = 100  # bytes of memory for each name besides its own
LONGEST_EXTENSION = 1024 * 1024  # of attributes, which macOS writes; names are shorter
DESCRIPTIVE = frozenset(b"VDNAEI")
"""Entries that hold no file: GNU's volume label, folder listing of incremental backups and old long names; Solaris's
access list, extended attributes and inode metadata."""


def damaged(what: str, remedy: str = "copy it or pack it again") -> Invalid:
    """Return the error for a tar whose structure is wrong."""
    return Invalid("archive_damaged", f"the tar archive cannot be read: {what}; {remedy}")


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
    """Parse a pax header, which describes the entry after it; returns the records that matter.

    That of a sparse file always has the key `SPARSE_NAME`; the value is empty if the file has another header's name.
    """
    if not any(word in content for word in RELEVANT):
        return {}
    records = dict(_pax_records(content))
    if any(b"sparse" in key or key == b"SCHILY.realsize" for key in records):
        records.setdefault(SPARSE_NAME, b"")
    return {key: value for key, value in records.items() if key in REDEFINES}  # others would add up in memory


def _pax_records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values. A record is its own length, a space, a key, `=`, a value and a line feed."""
    start = 0
    while start < len(content):
        space = content.find(b" ", start, start + LONGEST_NUMBER)
        digits = content[start:space]
        end = start + int(digits) if space > 0 and digits.isdigit() else 0
        equals = content.find(b"=", space, end)
        if equals < 0 or end > len(content) or content[end - 1] != ord("\n"):
            raise damaged("a pax header is wrong")
        yield content[space + 1 : equals], content[equals + 1 : end - 1]
        start = end


def pax_size(values: dict[bytes, bytes], size: int) -> int:
    """Return an entry's size; a pax header overrides the entry's own header, whose field may be too short."""
    digits = values.get(b"size")
    if digits is None:
        return size
    if not digits.isdigit() or len(digits.lstrip(b"0")) > LONGEST_NUMBER:
        raise damaged("the size in a pax header is not a number")
    return int(digits.lstrip(b"0") or b"0")


Values = dict[bytes, bytes]  # the records of a pax header


class Member(NamedTuple):
    """One entry: its kind, the bytes of its name, the offset and size of its data, and a link's target."""

    kind: int
    name: bytes
    offset: int
    size: int
    link: bytes


def index_tar(
    path: Path, file: Readable, file_size: int, limits: Settings, *, end_mark_needed: bool = False
) -> ArchiveIndex:
    """Validate every header and build the index; raises `TooLarge` or `Invalid` for the first bad entry.

    path: the archive, beside which the index is written. end_mark_needed: refuse a tar without its end mark, which may
    have lost its last entries.
    """

    def again() -> Iterator[Member]:
        return iter(Walk(file, file_size, limits, lambda *_: None, end_mark_needed=False))

    decoder, links = Names(again), HardLinks(again)
    with Collector(path, limits) as collector:
        walk = Walk(file, file_size, limits, collector.skip, end_mark_needed=end_mark_needed)
        members = iter(walk)
        while run := list(islice(members, RUN)):
            walk.check_headers()
            if any(member.kind == HARD_LINK for member in run):
                run = list(map(links.resolved, run))
            entries = np.zeros(len(run), ENTRY)
            entries["offset"] = [member.offset for member in run]
            entries["size"] = entries["packed"] = [member.size for member in run]
            entries["end"] = entries["offset"] + entries["size"]
            collector.check(len(run), int(entries["size"].sum()))
            names = decoder.of(run)
            encoded = [name.encode() for name in names]
            reasons = _validate(run, names, encoded, limits)
            entries["method"] = [member.kind == SPARSE for member in run]
            collector.add(entries, encoded, reasons)
        walk.check_headers()
        check_ratio(collector.size, file_size, limits)
        return collector.build_index(Kind.TAR)


class Walk:
    """An iterator over the entries, header by header; call `check_headers` before you use what it yields."""

    def __init__(
        self,
        file: Readable,
        file_size: int,
        limits: Settings,
        on_described: Callable[[str, str], None],
        *,
        end_mark_needed: bool,
    ) -> None:
        """on_described: called with the reason and the name of each entry that holds no file."""
        self._on_described = on_described
        self._window = Window(file)
        self._file_size = file_size
        self._limits = limits
        self._end_mark_needed = end_mark_needed
        self._unchecked: list[bytes] = []

    def check_headers(self) -> None:
        """Verify the checksums of the headers read since the last call; raises `Invalid`."""
        if self._unchecked and not checksums_agree(self._unchecked):
            raise damaged("the checksum of a header is wrong")
        self._unchecked.clear()

    def __iter__(self) -> Iterator[Member]:
        """Yield every entry up to the end mark or the file's end; raises `Invalid` if another archive follows."""
        place = count = 0
        name, values = b"", Values()  # from the extension headers before an entry's own header
        while (header := self._window.read(place, BLOCK)) != END:
            if len(header) < BLOCK:
                if header.strip(b"\0"):
                    raise damaged("it is cut short in the header of an entry")
                break
            self._unchecked.append(header)
            if len(self._unchecked) > 2 * RUN:  # a run of extension headers yields no entries
                self.check_headers()
            count += 1
            if count > 2 * self._limits.max_archive_entries:  # each entry may have one extension header
                raise TooLarge(
                    "archive_too_large",
                    f"the archive has more than {self._limits.max_archive_entries} entries"
                    " (GLASSBOX_MAX_ARCHIVE_ENTRIES; GLASSBOX_MAX_DATASET_FILES for a data set)",
                )
            kind = header[156]
            place = self._after_map(header, place + BLOCK) if kind == SPARSE else place + BLOCK
            size = self._data_bytes(header, place, values)
            if place + size > self._file_size:
                raise damaged("it is cut short: an entry ends after the file's end")
            if kind in EXTENSIONS:
                name, values = self._extended(kind, self._extension(place, size), name, values)
            elif kind in DESCRIPTIVE:
                self._on_described(SPECIAL_ENTRY, header_name(header).decode(errors="replace"))
            else:
                link = values.get(b"linkpath") or header[157:257].partition(b"\0")[0]
                path = values.get(SPARSE_NAME) or values.get(b"path") or name or header_name(header)
                yield Member(SPARSE if kind in FILES and SPARSE_NAME in values else kind, path, place, size, link)
                name, values = b"", {}
            place += -(-size // BLOCK) * BLOCK  # padded with zeros
        if name or values:
            raise damaged("a header belongs to no entry")
        if len(header) < BLOCK and self._end_mark_needed:
            raise damaged("it is cut short: bytes that are not of the archive follow before its end mark")
        self._check_rest(place)

    def _data_bytes(self, header: bytes, place: int, values: Values) -> int:
        """Return the number of bytes that follow a header, at `place`."""
        kind, size = header[156], number(header[124:136])
        if kind in EXTENSIONS:
            return size
        if kind in WITHOUT_DATA:
            return 0
        if kind == HARD_LINK and size:  # few writers store its content: the next header may be in its place
            block = self._window.read(place, BLOCK)
            if len(block) < BLOCK or block == END or checksums_agree([block]):
                return 0
        return pax_size(values, size)

    def _after_map(self, header: bytes, place: int) -> int:
        """Return the place of a sparse file's data: further blocks of the map of its parts may precede them."""
        more = header[IS_EXTENDED]
        while more:
            block = self._window.read(place, BLOCK)
            if len(block) < BLOCK:
                raise damaged("it is cut short in the header of an entry")
            more = block[IS_EXTENDED_AGAIN]
            place += BLOCK
        return place

    def _extension(self, place: int, size: int) -> bytes:
        if size > LONGEST_EXTENSION:
            raise damaged("an extension header is too long")
        return self._window.read(place, size)

    @staticmethod
    def _extended(kind: int, content: bytes, name: bytes, values: Values) -> tuple[bytes, Values]:
        """Return the next entry's long name and pax values, of which this header changes one."""
        if kind in {PAX, PAX_OF_SOLARIS}:
            return name, {**values, **pax_values(content)}
        if kind == LONG_NAME:
            return content.partition(b"\0")[0], values
        if kind == LONG_LINK:
            return name, {**values, b"linkpath": content.partition(b"\0")[0]}
        if kind == PAX_OF_ALL and REDEFINES & pax_values(content).keys():
            raise damaged("a header redefines all entries")
        return name, values

    def _check_rest(self, place: int) -> None:
        """Raise `Invalid` if another tar follows the end mark. Other bytes are ignored, as GNU tar does."""
        while content := self._window.read(place, PIECE):
            zeros = len(content) - len(content.lstrip(b"\0"))
            if zeros < len(content):
                if is_tar(self._window.read(place + zeros // BLOCK * BLOCK, BLOCK)):
                    raise damaged("another tar follows its end mark", "send joined archives one by one")
                return
            place += len(content)


class HardLinks:
    """The hard links of a tar: the second and further names of a file, whose content is in the archive once."""

    def __init__(self, members: Callable[[], Iterable[Member]]) -> None:
        """members: iterates over the entries once more, to find the files."""
        self._members = members

    def resolved(self, member: Member) -> Member:
        """Return a hard link to an earlier file as a file with its content; other entries as they are."""
        file = self._files.get(normalised(member.link)) if member.kind == HARD_LINK and not member.size else None
        if file is None or file.offset >= member.offset:
            return member
        return member._replace(kind=file.kind, offset=file.offset, size=file.size)

    @cached_property
    def _files(self) -> dict[bytes, Member]:
        """The files to which links point, by their normalised names."""
        linked: set[bytes] = set()
        nbytes = 0
        for member in self._members():
            if member.kind == HARD_LINK and nbytes <= LINKED_BYTES:
                linked.add(normalised(member.link))
                nbytes += len(member.link) + OVERHEAD
        files: dict[bytes, Member] = {}
        for member in self._members():
            if member.kind in {*FILES, SPARSE} and (name := normalised(member.name)) in linked:
                files.setdefault(name, member)
        return files


class Names:
    """The names of a tar's entries as text: in UTF-8, or in the encoding that is chosen for all names together."""

    def __init__(self, members: Callable[[], Iterable[Member]]) -> None:
        """members: iterates over the entries once more, to choose the encoding if a name is not in ASCII."""
        self._members = members

    def of(self, run: list[Member]) -> list[str]:
        """Return the names of a run of entries; that of a folder ends with `/`."""
        names = [name + b"/" if kind == FOLDER and not name.endswith(b"/") else name for kind, name, *_ in run]
        together = b"".join(names)
        if not together.isascii():
            return [plain(decoded(name, self._encodings, TAR_DEFAULT)) for name in names]
        texts = [name.decode("ascii") for name in names]
        return list(map(plain, texts)) if b"\\" in together else texts

    @cached_property
    def _encodings(self) -> tuple[str, ...]:
        valid: set[bytes] = set()
        others: set[bytes] = set()
        for member in self._members():
            for part in () if member.name.isascii() else member.name.split(b"/"):
                found = valid if is_utf8(part) else others
                if len(found) < ENOUGH and not part.isascii():
                    found.add(part)
        return encodings_of(valid | others, windows=False, default=TAR_DEFAULT)


def _validate(run: list[Member], names: list[str], encoded: list[bytes], limits: Settings) -> NDArray[np.uint8]:
    """Apply every rule for a single entry; returns the reasons why entries are skipped, as `validate_names` does."""
    kinds = np.array([member.kind for member in run])
    reasons = np.zeros(len(run), np.uint8)
    reasons[~np.isin(kinds, [*FILES, SPARSE, FOLDER, CONTINUED])] = REASONS.index(SPECIAL_ENTRY)  # unknown kinds
    reasons[np.isin(kinds, [*SPECIAL])] = REASONS.index(SPECIAL_FILE)
    reasons[np.isin(kinds, [SYMBOLIC_LINK, HARD_LINK])] = REASONS.index(LINK)
    reasons, bad_name = validate_names(names, reasons)
    continued = "is the rest of a file in another volume; unpack all volumes, and pack the files into one archive"
    rules = (
        short_names(encoded, limits),
        Rule(kinds == CONTINUED, Invalid, "archive_damaged", continued),
    )
    enforce(rules, names, reasons, bad_name)
    return reasons


class TarEntries:
    """The entries of an open tar."""

    def __init__(self, file: Readable, archive: ArchiveIndex, limits: Settings) -> None:
        self._window = Window(file)
        self._rows = Rows(archive.entries)
        self._max_entry_bytes = limits.max_entry_bytes

    def read(self, index: int) -> bytes:
        """Return one entry's bytes; raises `Malformed`."""
        entry = self._rows[index]
        if entry.size > self._max_entry_bytes:
            raise Malformed(
                "entry_too_large",
                f"the entry is larger than {self._max_entry_bytes} bytes (GLASSBOX_MAX_ENTRY_BYTES)",
            )
        if entry.method:
            raise Malformed("entry_sparse", "the entry is a sparse file, which is not read; pack it without --sparse")
        content = self._window.read(entry.offset, entry.size)
        if len(content) != entry.size:
            raise Malformed("entry_damaged", "the entry cannot be unpacked: the file ends before it does")
        return content
