"""Entries of an archive: rules on their names and sizes, and reads from the file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.archives.in_place.positions import Readable, read_at
from shared.archives.index import Entry
from shared.archives.indexing.stored import StoredArray
from shared.archives.names.leftovers import (
    DOCUMENTS,
    HIDDEN,
    SIDE_FILE,
    SYSTEM_ENDINGS,
    SYSTEM_FILE,
    SYSTEM_FILES,
    SYSTEM_FOLDER_ENDING,
    SYSTEM_FOLDERS,
    TEMPORARY_STARTS,
    TEXT_ENDINGS,
    leftover,
)
from shared.errors import GlassboxError, Invalid
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
SUSPICIOUS = (
    *("\n/", "\0", ":", "..", "\n.", "/."),
    *(f"{folder}/" for folder in sorted(SYSTEM_FOLDERS | {SYSTEM_FOLDER_ENDING})),
    *(f"{before}{start}" for before in "\n/" for start in TEMPORARY_STARTS),
)
SUSPICIOUS_ENDINGS = (
    *("\n\n", "/\n", ".\n"),
    *(f"{name}\n" for name in sorted(SYSTEM_FILES | DOCUMENTS)),
    *(f".{ending}\n" for ending in sorted(TEXT_ENDINGS)),
    *(f"{ending}\n" for ending in (*SYSTEM_ENDINGS, "#")),
    *(f"{ending}\n" for ending in ARCHIVES),
)
SUSPECT = re.compile("|".join(map(re.escape, SUSPICIOUS + SUSPICIOUS_ENDINGS)))

RELATIVE = "pack the folder of the images, so that paths begin in it"
LONGEST_SHOWN = 100
LONGEST_PATH = 4096  # bytes of a whole path, as on Linux; the limit for each part is a setting
USUAL_BYTES = 256 * MiB
"""An archive that unpacks to no more may have any compression ratio: white pages have one of 1000."""

Broken = tuple[int, GlassboxError]  # the index of an entry that breaks a rule, and the error to raise

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
            return reasons, (index, Invalid("archive_path", f"the name {shown(name)} {problem}; {RELATIVE}"))
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


class Rule(NamedTuple):
    """A mask (n,) of the entries that break the rule, and the error to raise: its type, code and detail."""

    broken: NDArray[np.bool_]
    error: type[GlassboxError]
    code: str
    what: str


def short_names(paths: Sequence[bytes], limits: Settings) -> Rule:
    """Return the rule that these paths in UTF-8 (n,), and their parts, are not too long."""
    what = (
        f"has a part of its name of more than {limits.max_name_bytes} bytes (GLASSBOX_MAX_NAME_BYTES), or more than"
        f" {LONGEST_PATH} in all; shorten it"
    )
    return Rule(too_long(paths, limits), Invalid, "archive_path", what)


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

    def __init__(self, entries: NDArray[np.void] | StoredArray) -> None:
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


class StoredNames:
    """The names of an index, of which a piece is in memory; reads in ascending order are fastest."""

    def __init__(self, names: NDArray[np.uint8] | StoredArray) -> None:
        self._names = names
        self._start = 0
        self._piece = b""

    def get(self, start: int, size: int) -> bytes:
        """Return the `size` bytes at `start`."""
        at = start - self._start
        if at < 0 or at + size > len(self._piece):
            self._piece = self._names[start : start + max(size, PIECE)].tobytes()
            self._start, at = start, 0
        return self._piece[at : at + size]


class Window:
    """A buffered piece of a file. Each process and thread needs its own `Window`; they may share the file."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self.start = 0  # the offset of `buffer` in the file
        self.buffer = b""

    def find(self, start: int, size: int) -> int:
        """Load `size` bytes at `start` of the file into `buffer`, fewer at its end; returns their offset in it."""
        at = start - self.start
        if at < 0 or at + size > len(self.buffer):
            self.buffer = b""  # frees the old piece before the next is read
            self.buffer = read_at(self._file, start, size, PIECE)
            self.start, at = start, 0
        return at

    def read(self, start: int, size: int) -> bytes:
        """Return `size` bytes at `start` of the file; fewer at the file's end."""
        at = self.find(start, size)
        return self.buffer[at : at + size]
