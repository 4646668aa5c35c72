"""A folder of image files that is read in place: its index, and reads of its files, each pinned on its own.

Symbolic links in it are skipped, and no part of a path is followed if it has become one.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.archives.entries import (
    LINK,
    SPECIAL_FILE,
    Rows,
    StoredNames,
    enforce,
    short_names,
    validate_names,
)
from shared.archives.index import ENTRY, ArchiveIndex, Entry, Kind
from shared.archives.indexing.collector import Collector
from shared.errors import GlassboxError, Invalid, Malformed, TooLarge
from shared.runtime.settings import Settings
from shared.storage.sources.local import WITHOUT_WAITING, PinnedFile, changed, missing_as_error

RUN = 8192
MOST_NAMES = 2_000_000  # of one folder, and of folders that are not listed yet, in memory
MASK = 2**63 - 1  # inodes have 64 bits, the columns of the index 63


class Found(NamedTuple):
    """A file below the folder: its path with `/`, size, time of change in nanoseconds, and inode."""

    name: str
    size: int
    modified: int
    inode: int


def index_folder(path: Path, folder: PinnedFile, limits: Settings) -> ArchiveIndex:
    """List the folder once and build the index; raises `TooLarge` or `Invalid` for the first bad file.

    path: the link to the folder, beside which the index is written.
    """
    with Collector(path, limits) as collector:
        run: list[Found] = []
        for found in _files(folder.path, limits, collector):
            run.append(found)
            if len(run) == RUN:
                _collect(run, collector, limits)
                run = []
        _collect(run, collector, limits)
        return collector.build_index(Kind.FOLDER)


def _collect(run: list[Found], collector: Collector, limits: Settings) -> None:
    if not run:
        return
    entries = np.zeros(len(run), ENTRY)
    entries["size"] = entries["packed"] = [found.size for found in run]
    entries["end"] = [found.modified for found in run]
    entries["offset"] = [found.inode & MASK for found in run]
    collector.check(len(run), int(entries["size"].sum()))
    names = [found.name for found in run]
    encoded = [name.encode() for name in names]
    reasons, bad_name = validate_names(names)
    enforce([short_names(encoded, limits)], names, reasons, bad_name)
    collector.add(entries, encoded, reasons)


def _files(root: str, limits: Settings, collector: Collector) -> Iterator[Found]:
    """Yield the files at and below a folder: those of a folder by name, then those of its folders."""
    folders = [""]
    while folders:
        below = folders.pop()
        inner = []
        with missing_as_error(os.path.join(root, below)):  # noqa: PTH118 - many, and texts are faster
            for own_name in _listed(os.path.join(root, below), limits):  # noqa: PTH118
                name = below + own_name
                try:
                    status = os.lstat(os.path.join(root, name))  # noqa: PTH118
                except FileNotFoundError as error:  # another program removes files while they are listed
                    raise changed(f"{root}/{name}") from error
                if stat.S_ISDIR(status.st_mode):
                    inner.append(f"{name}/")
                elif stat.S_ISREG(status.st_mode):
                    yield Found(_checked(name), status.st_size, status.st_mtime_ns, status.st_ino)
                else:
                    reason = LINK if stat.S_ISLNK(status.st_mode) else SPECIAL_FILE
                    collector.skip(reason, name.encode(errors="replace").decode())
        if len(folders) + len(inner) > min(limits.max_archive_entries, MOST_NAMES):
            raise _too_many(limits)
        folders.extend(reversed(inner))


def _listed(folder: str, limits: Settings) -> list[str]:
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            names.append(entry.name)
            if len(names) > min(limits.max_archive_entries, MOST_NAMES):
                raise _too_many(limits)
    names.sort()
    return names


def _checked(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(name).decode(errors="backslashreplace")
        raise Invalid("archive_path", f"the name {shown} is not UTF-8; rename the file") from None
    return name


def _too_many(limits: Settings) -> GlassboxError:
    if limits.max_archive_entries > MOST_NAMES:
        return TooLarge(
            "archive_too_large",
            f"a folder has more than {MOST_NAMES:,} entries of its own, which are sorted in memory; move the files into"
            " subfolders, or pack them as a tar",
        )
    return TooLarge(
        "archive_too_large",
        f"the folder has more than {limits.max_archive_entries} entries"
        " (GLASSBOX_MAX_ARCHIVE_ENTRIES; GLASSBOX_MAX_DATASET_FILES for a data set)",
    )


class FolderEntries:
    """The files of an open folder."""

    def __init__(self, descriptor: int, archive: ArchiveIndex, limits: Settings) -> None:
        self._root = descriptor
        self._path = archive.source.path if archive.source else ""
        self._rows = Rows(archive.entries)
        self._names = StoredNames(archive.names)
        self._max_entry_bytes = limits.max_entry_bytes
        self._parent: tuple[str, int] = "", descriptor  # the folder that was opened last

    def close(self) -> None:
        """Close the folder that was opened last."""
        self._open_parent("")

    def read(self, index: int) -> bytes:
        """Return one file's bytes; raises `Malformed`, `NotFound`, or `Conflict` if the file has changed."""
        entry = self._rows[index]
        if entry.size > self._max_entry_bytes:
            raise Malformed(
                "entry_too_large",
                f"the file is larger than {self._max_entry_bytes} bytes (GLASSBOX_MAX_ENTRY_BYTES)",
            )
        name = str(self._names.get(entry.name, entry.name_length), "utf-8")
        folder, _, own_name = name.rpartition("/")
        path = f"{self._path}/{name}"
        with missing_as_error(path):
            try:
                self._open_parent(folder)
                descriptor = os.open(own_name, WITHOUT_WAITING | os.O_NOFOLLOW, dir_fd=self._parent[1])
            except OSError as error:
                if error.errno == errno.ELOOP:  # a link has taken its place
                    raise changed(path) from error
                raise
        try:
            _compare(descriptor, entry, path)
            content = _read_all(descriptor, entry.size)
            _compare(descriptor, entry, path)
        finally:
            os.close(descriptor)
        if len(content) != entry.size:
            raise changed(path)
        return content

    def _open_parent(self, folder: str) -> None:
        if folder == self._parent[0]:
            return
        if self._parent[0]:
            os.close(self._parent[1])
        self._parent = "", self._root
        opened = self._root
        for part in folder.split("/") if folder else ():
            try:
                inner = os.open(part, WITHOUT_WAITING | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=opened)
            finally:
                if opened != self._root:
                    os.close(opened)
            opened = inner
        self._parent = folder, opened


def _compare(descriptor: int, entry: Entry, path: str) -> None:
    status = os.fstat(descriptor)
    if (status.st_size, status.st_mtime_ns, status.st_ino & MASK) != (entry.size, entry.end, entry.offset):
        raise changed(path)


def _read_all(descriptor: int, size: int) -> bytes:
    parts = []
    while size > 0 and (part := os.read(descriptor, size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
