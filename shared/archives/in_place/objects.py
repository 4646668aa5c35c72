"""Archives in an object store: their index, and reads of the images below a prefix, several at once.

A zip and a tar are read by ranges. A prefix is listed once, and each object is pinned by its size and its ETag.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np

from shared.archives.entries import (
    SPECIAL_ENTRY,
    Rows,
    StoredNames,
    enforce,
    short_names,
    validate_names,
)
from shared.archives.index import ENTRY, ArchiveIndex, Kind
from shared.archives.indexing.collector import Collector
from shared.archives.tar import index_tar, is_tar
from shared.archives.zip import index_zip
from shared.archives.zip_directory import Directory, find_directory, first_name
from shared.errors import Malformed, Unavailable
from shared.runtime.settings import MiB, Settings
from shared.storage.objects.bucket import Bucket, StoredObject
from shared.storage.objects.faults import RangesUnsupported
from shared.storage.sources.stored import PinnedObject, StoredBytes, source_errors

START = 512
ARRAY = b".npy"
MOST_AHEAD = 32  # objects that are requested before they are read
MOST_BYTES_AHEAD = 32 * MiB
THREADS = 16


def is_read_in_place(source: PinnedObject, settings: Settings) -> bool:
    """Return whether a source is a prefix, a zip of images or a plain tar, which are not copied to the volume.

    Without ranges of the store, only a prefix is.
    """
    if source.is_folder:
        return True
    with source_errors():
        try:
            source.opened(settings).read(source.stored, 0, 1)
        except RangesUnsupported:
            return False
    file = _file(source, settings)
    if is_tar(file.read_at(0, START, START)):
        return True
    directory = find_directory(file, file.size)
    return directory is not None and not _begins_with_an_array(file, directory)


def index_stored(path: Path, source: PinnedObject, settings: Settings) -> ArchiveIndex:
    """Validate a source that `is_read_in_place`; return its index. Raises what `validate` raises, and `Unavailable`.

    path: beside it the index is written.
    """
    if source.is_folder:
        return _index_prefix(path, source, settings)
    file = _file(source, settings)
    if is_tar(file.read_at(0, START, START)):
        return index_tar(path, file, file.size, settings)
    directory = find_directory(file, file.size)
    assert directory is not None, "only a zip and a tar are read in place"
    return index_zip(path, file, file.size, directory, settings)


def _file(source: PinnedObject, settings: Settings) -> StoredBytes:
    return StoredBytes(source, source.opened(settings), settings.source_seconds)


def _begins_with_an_array(file: StoredBytes, directory: Directory) -> bool:
    return first_name(file, directory).endswith(ARRAY)


def _index_prefix(path: Path, source: PinnedObject, settings: Settings) -> ArchiveIndex:
    ends_at = time.monotonic() + settings.source_seconds
    bucket = source.opened(settings)
    with Collector(path, settings) as collector, source_errors():
        before: list[StoredObject] = []
        for page in chain(bucket.pages(source.key), [[]]):
            if time.monotonic() > ends_at:
                raise Unavailable(
                    "source_unavailable",
                    f"the list of {source.path} takes longer than {settings.source_seconds:g} s"
                    " (GLASSBOX_SOURCE_SECONDS); name a longer prefix",
                    60,
                )
            _collect(before, page[:1], len(source.key), collector, settings)
            before = page
        return collector.build_index(Kind.OBJECTS)


def _collect(
    page: list[StoredObject], following: list[StoredObject], skipped: int, collector: Collector, limits: Settings
) -> None:
    """Collect the objects of a page, without the first `skipped` characters of their keys.

    following: the object after them, if there is one.
    """
    found = []
    for each, after in zip(page, [*page[1:], *following, None], strict=False):
        name = each.key[skipped:]
        if each.size == 0 and _is_folder(each, after):
            collector.skip(SPECIAL_ENTRY, name)
        else:
            found.append((name, each))
    if not found:
        return
    entries = np.zeros(len(found), ENTRY)
    entries["size"] = entries["packed"] = [each.size for _, each in found]
    collector.check(len(found), int(entries["size"].sum()))
    names = [name for name, _ in found]
    encoded = [name.encode() for name in names]
    reasons, bad_name = validate_names(names)
    enforce([short_names(encoded, limits)], names, reasons, bad_name)
    collector.add(entries, encoded, reasons, [each.etag.encode() for _, each in found])


def _is_folder(empty: StoredObject, after: StoredObject | None) -> bool:
    """Return whether an object without content is a folder that a console has created. Its key lacks the last slash."""
    own_name = empty.key.rpartition("/")[2]
    return "." not in own_name or (after is not None and after.key.startswith(f"{empty.key}/"))


class ObjectEntries:
    """The objects below a prefix. If they are read in order, the next ones are requested ahead, in threads."""

    def __init__(self, source: PinnedObject, bucket: Bucket, archive: ArchiveIndex, limits: Settings) -> None:
        self._prefix = source.key
        self._bucket = bucket
        self._rows = Rows(archive.entries)
        self._names, self._etags = StoredNames(archive.names), StoredNames(archive.names)
        self._max_entry_bytes = limits.max_entry_bytes
        self._stop = len(archive.entries)
        self._last, self._depth = -2, 0
        self._ahead: dict[int, Future[bytes]] = {}
        self._threads: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """End the threads, without the requests that have not begun."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    def expect(self, stop: int) -> None:
        """Request no entry from `stop` on ahead."""
        self._stop = stop

    def read(self, index: int) -> bytes:
        """Return one object's bytes; raises `Malformed`, `NotFound`, `Unavailable`, or `Conflict` if it has changed."""
        if self._rows[index].size > self._max_entry_bytes:
            raise Malformed(
                "entry_too_large",
                f"the object is larger than {self._max_entry_bytes} bytes (GLASSBOX_MAX_ENTRY_BYTES)",
            )
        requested = self._ahead.pop(index, None)
        if index != self._last + 1:
            self._depth = 0
            for future in self._ahead.values():
                future.cancel()
            self._ahead.clear()
        self._last = index
        self._request_ahead(index)
        with source_errors():
            return self._content(self._object(index)) if requested is None else requested.result()

    def _request_ahead(self, index: int) -> None:
        waiting = sum(self._rows[other].size for other in self._ahead)
        for following in range(index + 1, min(index + 1 + self._depth, self._stop)):
            size = self._rows[following].size
            if following in self._ahead or size > self._max_entry_bytes:
                continue
            waiting += size
            if waiting > MOST_BYTES_AHEAD:
                break
            if self._threads is None:
                self._threads = ThreadPoolExecutor(THREADS, "objects")
            self._ahead[following] = self._threads.submit(self._content, self._object(following))
        self._depth = min(MOST_AHEAD, max(1, 2 * self._depth))

    def _object(self, index: int) -> StoredObject:
        entry = self._rows[index]
        name = self._names.get(entry.name, entry.name_length).decode()
        return StoredObject(self._prefix + name, entry.size, self._etags.get(entry.raw, entry.raw_length).decode())

    def _content(self, wanted: StoredObject) -> bytes:
        return self._bucket.read(wanted, 0, wanted.size)
