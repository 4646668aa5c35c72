"""Judging a tar in one walk over its headers; the files lie in it as they are, so that each can be read by itself."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.archives import tar_headers as headers
from shared.archives.collecting import Collector
from shared.archives.names import judge_names
from shared.archives.plan import ENTRY, Kind, Plan
from shared.archives.rules import Rule, enforce
from shared.archives.tar_headers import BLOCK, damaged
from shared.archives.window import PIECE, Window
from shared.errors import Invalid, TooLarge
from shared.runtime.settings import Settings

RUN = 8192
EXTENSIONS = frozenset({headers.PAX, headers.PAX_OF_ALL, headers.LONG_NAME, headers.LONG_LINK})
LONGEST_EXTENSION = 64 * 1024


class Member(NamedTuple):
    """One entry: its kind, the bytes of its name, and where its data lie."""

    kind: int
    name: bytes
    offset: int
    size: int


def plan_tar(descriptor: int, file_size: int, limits: Settings) -> Plan:
    """Judge every header; raises `TooLarge` or `Invalid` with the first entry that breaks a rule."""
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
        passed_over = _judge(run, entries["size"], names, limits)
        collector.add(entries, [name.encode() for name in names], passed_over)
    walk.check_headers()
    return collector.plan(Kind.TAR)


class Walk:
    """Goes from header to header and gives the entries; what the headers say is believed once they are checked."""

    def __init__(self, descriptor: int, file_size: int, limits: Settings) -> None:
        self._window = Window(descriptor)
        self._file_size = file_size
        self._limits = limits
        self._unchecked: list[bytes] = []

    def check_headers(self) -> None:
        """Check the checksums of the headers that were met since the last time."""
        if self._unchecked and not headers.checksums_agree(self._unchecked):
            raise damaged("the checksum of a header is wrong")
        self._unchecked.clear()

    def __iter__(self) -> Iterator[Member]:
        """Yield every entry up to the end mark, behind which nothing may follow."""
        place = count = 0
        name, values = b"", dict[bytes, bytes]()  # what headers before an entry's own say of it
        while (header := self._window.read(place, BLOCK)) != headers.END:
            if len(header) < BLOCK:
                raise damaged("it is cut short: its end is not marked")
            self._unchecked.append(header)
            if len(self._unchecked) > 2 * RUN:  # many of them belong to no entry of their own
                self.check_headers()
            count += 1
            if count > 2 * self._limits.max_archive_entries:  # each entry may have a header of names or times
                raise TooLarge("archive_too_large", f"more than {self._limits.max_archive_entries} entries")
            kind, size = header[156], headers.number(header[124:136])
            place += BLOCK
            if kind not in EXTENSIONS:
                size = headers.pax_size(values, size)
            if place + size > self._file_size:
                raise damaged("it is cut short: an entry ends behind the file's end")
            if kind not in EXTENSIONS:
                yield Member(kind, values.get(b"path") or name or headers.header_name(header), place, size)
                name, values = b"", {}
            else:
                content = self._extension(place, size)
                if kind == headers.PAX:
                    values = headers.pax_values(content)
                elif kind == headers.LONG_NAME:
                    name = content.partition(b"\0")[0]
                elif kind == headers.PAX_OF_ALL and headers.REDEFINES & headers.pax_values(content).keys():
                    raise damaged("a header redefines all entries")
            place += -(-size // BLOCK) * BLOCK  # padded with zeros
        if name or values:
            raise damaged("a header belongs to no entry")
        self._check_rest(place)

    def _extension(self, place: int, size: int) -> bytes:
        if size > LONGEST_EXTENSION:
            raise damaged("a header of names or times is too long")
        return self._window.read(place, size)

    def _check_rest(self, place: int) -> None:
        while content := self._window.read(place, PIECE):
            if content.strip(b"\0"):
                raise damaged("something follows its end; were several archives joined?")
            place += len(content)


def _text(member: Member) -> str:
    """The name as text: UTF-8, or else Latin-1, which any bytes can be."""
    name = member.name + b"/" if member.kind == headers.FOLDER and not member.name.endswith(b"/") else member.name
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")


def _judge(run: list[Member], sizes: NDArray[np.int64], names: list[str], limits: Settings) -> NDArray[np.bool_]:
    """Apply every rule on a single entry; returns which of them are passed over (n,)."""
    kinds = np.array([member.kind for member in run])
    lengths = np.array([len(member.name) for member in run])
    passed_over, bad_name = judge_names(names)
    long = f"is a name of more than {limits.max_name_bytes} bytes"
    special = ~np.isin(kinds, [*headers.FILES, headers.FOLDER])
    large = f"is larger than {limits.max_entry_bytes} bytes"
    rules = (
        Rule(lengths > limits.max_name_bytes, Invalid, "archive_path", long),
        Rule(special, Invalid, "archive_special_file", "is a link, a device or a sparse file, not a plain one"),
        Rule((kinds == headers.FOLDER) & (sizes > 0), Invalid, "archive_damaged", "is a folder with content"),
        Rule(sizes > limits.max_entry_bytes, TooLarge, "archive_entry_too_large", large),
    )
    enforce(rules, names, bad_name)
    return passed_over
