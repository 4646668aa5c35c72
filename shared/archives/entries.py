"""Entries of an archive: rules on their names and sizes, collection into an index, and reads from the file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.archives.index import ENTRY, ArchiveIndex, Entry, Kind
from shared.archives.names.leftovers import (
    DOCUMENTS,
    HIDDEN,
    SIDE_FILE,
    SYSTEM_FILE,
    SYSTEM_FILES,
    SYSTEM_FOLDERS,
    TEXT_ENDINGS,
    leftover,
)
from shared.archives.skipped import SkipReport, in_words
from shared.errors import GlassboxError, Invalid, TooLarge
from shared.runtime.settings import MiB, Settings

ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")
IDX_FILE = "ubyte.gz"  # a compressed array of images, of MNIST's kind

FOLDER = "folder"
SPECIAL_ENTRY = "special_entry"  # an entry that only describes the archive, such as the label of a volume
LINK, SPECIAL_FILE = "link", "special_file"  # a link, which is never followed; a device, a pipe or a socket
REASONS = (None, FOLDER, SYSTEM_FILE, HIDDEN, SIDE_FILE, SPECIAL_ENTRY, LINK, SPECIAL_FILE)
"""Why an entry is skipped: the codes of the report, and folders, which are not in it."""

IMAGE_ENDINGS = (
    *(".png\n", ".jpg\n", ".jpeg\n", ".bmp\n", ".gif\n", ".tif\n", ".tiff\n", ".webp\n"),
    *(".avif\n", ".jfif\n", ".jpe\n", ".dib\n"),
)
"""Names that all end so need fewer checks. Nothing else depends on the endings: files are judged by their content."""

# What a name that is not plain contains, in lower case, with a line feed before and after it:
SUSPICIOUS = (*("\n/", "\0", ":", "..", "\n.", "/."), *(f"{folder}/" for folder in sorted(SYSTEM_FOLDERS)))
SUSPICIOUS_ENDINGS = (
    *("\n\n", "/\n", ".\n"),
    *(f"{name}\n" for name in sorted(SYSTEM_FILES | DOCUMENTS)),
    *(f".{ending}\n" for ending in sorted(TEXT_ENDINGS)),
    *(f"{ending}\n" for ending in ARCHIVES),
)
SUSPECT = re.compile("|".join(map(re.escape, SUSPICIOUS + SUSPICIOUS_ENDINGS)))

LONGEST_SHOWN = 100
LONGEST_PATH = 4096  # bytes of a whole path, as on Linux; the limit for each part is a setting
USUAL_BYTES = 256 * MiB
"""An archive that unpacks to no more may have any compression ratio: white pages have one of 1000."""

Broken = tuple[int, GlassboxError]  # the index of an entry that breaks a rule, and the error to raise

RUN = 65_536

ROWS_AT_ONCE = 256
_entry = partial(tuple.__new__, Entry)  # `Entry._make` without its check of the length; takes half the time

PIECE = 256 * 1024


def validate_names(
    names: Sequence[str], reasons: NDArray[np.uint8] | None = None
) -> tuple[NDArray[np.uint8], Broken | None]:
    """Validate the names of a run of entries. reasons: (n,) those that are known from the entries' kinds.

    Returns the reason why each is skipped (n,), an index of `REASONS`, and the first name that breaks a rule, or None.
    """
    reasons = np.zeros(len(names), np.uint8) if reasons is None else reasons
    for index in _suspects(names):
        name = names[index]
        if problem := name_problem(name):
            return reasons, (index, Invalid("archive_path", f"the name {shown(name)} {problem}"))
        reason = FOLDER if name.endswith("/") else leftover(name)
        if reason is not None:
            reasons[index] = REASONS.index(reason)
        if not reasons[index] and name.lower().endswith(ARCHIVES) and not name.lower().endswith(IDX_FILE):
            nested = Invalid("archive_nested", f"{shown(name)} is an archive in the archive; send its files themselves")
            return reasons, (index, nested)
    return reasons, None


def _suspects(names: Sequence[str]) -> Iterable[int]:
    """Return the indices of the names that need the full checks; a fast filter, as there may be a million names."""
    text = "\n".join(("", *names, "")).lower()
    patterns = SUSPICIOUS if _all_end_as_images(text, len(names)) else SUSPICIOUS + SUSPICIOUS_ENDINGS
    if not any(suspicious in text for suspicious in patterns):
        return ()
    return (index for index, name in enumerate(names) if SUSPECT.search(f"\n{name.lower()}\n"))


def _all_end_as_images(text: str, count: int) -> bool:
    """Return whether `count` names in lines all have the ending of an image, and none contains a line feed."""
    found = 0
    for ending in IMAGE_ENDINGS:
        found += text.count(ending)
        if found == count:
            return text.count("\n") == count + 1
    return False


def normalised(name: bytes) -> bytes:
    """Return the name without empty and `.` parts: `./a//b` becomes `a/b`. A folder keeps its slash at the end."""
    parts = [part for part in name.split(b"/") if part not in {b"", b"."}]
    return b"/".join(parts) + (b"/" if name.endswith(b"/") else b"")


def too_long(paths: Sequence[bytes], limits: Settings) -> NDArray[np.bool_]:
    """Return which paths in UTF-8 (n,), or parts of them, are longer than the limit."""
    largest = limits.max_name_bytes
    if not paths or max(map(len, paths)) <= largest:
        return np.zeros(len(paths), np.bool_)
    return np.array([len(path) > LONGEST_PATH or max(map(len, path.split(b"/"))) > largest for path in paths])


def check_ratio(size: int, packed: int, limits: Settings) -> None:
    """Raise `Invalid` if an archive of `packed` bytes unpacks to much more; the reads of a small one cost little."""
    if size > max(USUAL_BYTES, limits.max_compression_ratio * packed):
        raise Invalid(
            "archive_ratio",
            f"the archive unpacks to more than {limits.max_compression_ratio} times its size"
            f" (GLASSBOX_MAX_COMPRESSION_RATIO) and more than {USUAL_BYTES} bytes; send it in parts, or store its files"
            " uncompressed",
        )


def shown(name: str) -> str:
    """Return a name in quotes, cut to `LONGEST_SHOWN` characters, for an error message."""
    return repr(name if len(name) <= LONGEST_SHOWN else name[:LONGEST_SHOWN] + "…")


def name_problem(name: str) -> str | None:
    """Return what is wrong with a name, as the rest of a sentence; None if the name is valid."""
    parts = PurePosixPath(name).parts
    if "\0" in name:
        return "contains a NUL"
    if name and not name.strip("/"):  # the folder of all entries, in the zips of Dropbox
        return None
    if name.startswith("/") or name[1:2] == ":":
        return "is absolute"
    if ".." in parts:
        return "contains .., which leads out of the archive"
    if not parts and not name.endswith("/"):  # `./` is a folder; `.` is empty
        return "is empty"
    return None


class Collector:
    """Collects the entries of an archive run by run, and enforces the limits on their number, total size and names."""

    def __init__(self, capacity: int, limits: Settings) -> None:
        """capacity: the largest possible number of entries; pages that are not used take no memory."""
        self._limits = limits
        self._entries = np.empty(min(capacity, limits.max_archive_entries), ENTRY)
        self._wanted = np.empty(len(self._entries), np.bool_)
        self._report = SkipReport()
        self._hashes = np.empty(len(self._entries), np.int64)
        self._names = bytearray()
        self._count = self._size = self._described = 0

    @property
    def entries(self) -> NDArray[np.void]:
        """The entries collected so far, (n,) of ENTRY; a caller may change them in place."""
        return self._entries[: self._count]

    def check(self, count: int, size: int) -> None:
        """Check that `count` more entries of `size` unpacked bytes are within the limits; raises `TooLarge`."""
        if self._count + count > self._limits.max_archive_entries:
            raise TooLarge(
                "archive_too_large",
                f"the archive has more than {self._limits.max_archive_entries} entries (GLASSBOX_MAX_ARCHIVE_ENTRIES)",
            )
        if self._size + size > self._limits.max_expanded_bytes:
            raise TooLarge(
                "archive_too_large",
                f"the archive unpacks to more than {self._limits.max_expanded_bytes} bytes"
                " (GLASSBOX_MAX_EXPANDED_BYTES)",
            )

    def add(
        self,
        run: NDArray[np.void],
        names: Sequence[bytes],
        reasons: NDArray[np.uint8],
        raw_names: Sequence[bytes] | None = None,
    ) -> None:
        """Add a validated run (n,) of ENTRY, with the names in UTF-8 and, if different, as stored in the archive.

        reasons: why each entry is skipped (n,), an index of `REASONS`.
        """
        start, stop = self._count, self._count + len(run)
        lengths = np.fromiter(map(len, names), np.int64, len(names))
        run["name"] = run["raw"] = len(self._names) + np.cumsum(lengths) - lengths
        run["name_length"] = run["raw_length"] = lengths
        self._names += b"".join(names)
        for index, raw in enumerate(raw_names or ()):
            if raw != names[index]:
                run["raw"][index], run["raw_length"][index] = len(self._names), len(raw)
                self._names += raw
        if len(self._names) > self._limits.max_names_bytes:
            raise TooLarge(
                "archive_too_large",
                f"the archive's names have more than {self._limits.max_names_bytes} bytes in all"
                " (GLASSBOX_MAX_NAMES_BYTES)",
            )
        self._entries[start:stop] = run
        self._wanted[start:stop] = reasons == 0
        for reason in np.flatnonzero(np.bincount(reasons, minlength=1)).tolist():
            if (code := REASONS[reason]) not in {None, FOLDER}:
                places = np.flatnonzero(reasons == reason)
                self._report.add(code, (names[place].decode() for place in places.tolist()), len(places))
        self._hashes[start:stop] = np.fromiter(map(hash, _places(names)), np.int64, len(names))
        self._count = stop
        self._size += int(run["size"].sum())

    def name(self, index: int) -> str:
        """Return the name of one entry."""
        row = self._entries[index]
        return self._names[row["name"] : row["name"] + row["name_length"]].decode()

    @property
    def size(self) -> int:
        """The unpacked bytes of the entries collected so far."""
        return self._size

    def skip(self, reason: str, name: str) -> None:
        """Report an entry that is not in the index, as it only describes the archive."""
        self._report.add(reason, [name])
        self._described += 1

    def build_index(self, kind: Kind) -> ArchiveIndex:
        """Build the index of all collected entries.

        Raises `Invalid` for a duplicate name, or if nothing is left, and `TooLarge` if every file is too large to be
        read. A single one that is too large is an error when it is read.
        """
        self._refuse_duplicates()
        total, kept = self._count, 0
        for start in range(0, total, RUN):  # in place: a copy of a million entries takes memory
            run = self._entries[start : min(start + RUN, total)]
            wanted = run[self._wanted[start : start + len(run)]]
            self._entries[kept : kept + len(wanted)] = wanted
            kept += len(wanted)
        if kept == 0:
            raise Invalid("archive_empty", self._nothing_left())
        largest = self._limits.max_entry_bytes
        if (self._entries["size"][:kept] > largest).all():
            which = "" if kept == 1 else f", and so are all {kept} files"
            raise TooLarge(
                "archive_entry_too_large",
                f"{shown(self.name(0))} is larger than {largest} bytes (GLASSBOX_MAX_ENTRY_BYTES){which}; send smaller"
                " files",
            )
        names = np.frombuffer(self._names, np.uint8)
        passed_over = total - kept + self._described
        return ArchiveIndex(kind, passed_over, self._entries[:kept], names, skipped=self._report.as_json())

    def _nothing_left(self) -> str:
        """Return what the archive holds instead of images."""
        if skipped := self._report.as_json():
            links = "; pack the files to which the links lead (tar --dereference)" if LINK in skipped else ""
            return f"the archive holds no images; its files are skipped: {in_words(skipped)}{links}"
        folders = f": its {self._count} entries are folders" if self._count else " and no entry at all"
        return f"the archive holds no files{folders}"

    def _refuse_duplicates(self) -> None:
        """Raise `Invalid` for a duplicate name. Compares only names with equal hashes, to save memory."""
        wanted = np.flatnonzero(self._wanted[: self._count])  # two folders of one name are harmless
        hashes = self._hashes[wanted]
        order = np.argsort(hashes)
        hashes = hashes[order]
        equal = hashes[1:] == hashes[:-1]
        seen = set()
        for index in order[np.append(equal, False) | np.insert(equal, 0, False)] if equal.any() else ():
            place = normalised(self.name(int(wanted[index])).encode())
            if place in seen:
                raise Invalid("archive_duplicate", f"{shown(place.decode())} is in the archive twice; remove one")
            seen.add(place)


def _places(names: Sequence[bytes]) -> Iterable[bytes]:
    """Return the normalised names, for comparison; in nearly every archive they are the names themselves."""
    together = b"\n".join(names)
    if b"./" in together or b"//" in together or together.endswith(b"/.") or b"/.\n" in together:
        return map(normalised, names)
    return names


class Rule(NamedTuple):
    """A mask (n,) of the entries that break the rule, and the error to raise: its type, code and detail."""

    broken: NDArray[np.bool_]
    error: type[GlassboxError]
    code: str
    what: str


def enforce(rules: Iterable[Rule], names: Sequence[str], reasons: NDArray[np.uint8], bad_name: Broken | None) -> None:
    """Raise the error of the first entry that breaks a rule; for one entry, its name's error precedes the rules'.

    The rules do not apply to the files that are skipped, as these are never read; `reasons` as in `validate_names`.
    """
    found = [] if bad_name is None else [bad_name]
    applies = np.isin(reasons, (0, REASONS.index(FOLDER)))
    for rule in rules:
        broken = rule.broken & applies
        if broken.any():
            index = int(broken.argmax())
            found.append((index, rule.error(rule.code, f"{shown(names[index])} {rule.what}")))
    if found:
        raise min(found, key=lambda broken: broken[0])[1]


class Rows:
    """The rows of entries (N,) of `index.ENTRY` as tuples; reads in ascending order are fastest."""

    def __init__(self, entries: NDArray[np.void]) -> None:
        self._entries = entries
        self._first = 0
        self._rows: list[Entry] = []

    def __getitem__(self, index: int) -> Entry:
        at = index - self._first
        if 0 <= at < len(self._rows):
            return self._rows[at]
        if not 0 <= index < len(self._entries):
            raise IndexError(index)
        self._first = index - index % ROWS_AT_ONCE
        self._rows = list(map(_entry, self._entries[self._first : self._first + ROWS_AT_ONCE].tolist()))
        return self._rows[index - self._first]


class Window:
    """A buffered piece of a file. Each process and thread needs its own `Window`; they may share the descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.start = 0  # the offset of `buffer` in the file
        self.buffer = b""

    def find(self, start: int, size: int) -> int:
        """Load `size` bytes at `start` of the file into `buffer`, fewer at its end; returns their offset in it."""
        at = start - self.start
        if at < 0 or at + size > len(self.buffer):
            self.buffer = b""  # frees the old piece before the next is read
            self.buffer = os.pread(self._descriptor, max(size, PIECE), start)
            self.start, at = start, 0
        return at

    def read(self, start: int, size: int) -> bytes:
        """Return `size` bytes at `start` of the file; fewer at the file's end."""
        at = self.find(start, size)
        return self.buffer[at : at + size]
