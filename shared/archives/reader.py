"""Reads of single entries, by an archive's index, directly from the archive on the volume."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.archives.arrays import ArrayImages
from shared.archives.in_place.folder import FolderEntries
from shared.archives.in_place.objects import ObjectEntries
from shared.archives.in_place.positions import Readable
from shared.archives.index import ArchiveIndex, Kind
from shared.archives.indexing.several import SeveralArchives
from shared.archives.tar import TarEntries
from shared.archives.zip import ZipEntries
from shared.runtime.settings import Settings
from shared.storage.sources.local import PinnedFile
from shared.storage.sources.stored import PinnedObject, StoredBytes, coalesced


class Contents:
    """An open archive, or several. Use it in a `with` block, in one thread; many processes may have it open at once."""

    def __init__(self, path: Path, archive: ArchiveIndex, limits: Settings) -> None:
        """path: the file that `validate` indexed, unless the index names a source. archive: its index.

        If it is that of several archives, `path` is the folder that holds them; one of them is open at a time. Raises
        `NotFound` or `Conflict` if the source does not exist any more or has changed.
        """
        self._path = path
        self._several = archive if isinstance(archive, SeveralArchives) else None
        self._limits = limits
        self._first, self._stop = 0, len(archive)  # the entries of the open archive
        self._open = _Archive(path, archive, limits) if self._several is None else self._opened(self._several, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def check(self) -> None:
        """Raise `Conflict` if the source has changed since it was named: what was read of it may be wrong."""
        self._open.check()

    def read(self, index: int) -> bytes:
        """Return the bytes of one entry: of a file, verified by its checksum if the archive has one, or of an image.

        Reads in the archive's order are fastest. Raises `Malformed` if the entry is damaged, has another size than
        its header states, or is larger than the limit.
        """
        return self._archive_of(index).read(index - self._first)

    def expect(self, start: int, stop: int) -> None:
        """Announce that the entries `start` to `stop` (exclusive) are read next, so that a store sends no others.

        They are of one archive.
        """
        self._archive_of(start).expect(start - self._first, stop - self._first)

    def images(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return the images `start` to `stop` (exclusive), (n, H, W) or (n, H, W, 3), of one archive.

        The index must have a shape for them.
        """
        return self._archive_of(start).images(start - self._first, stop - self._first)

    def _archive_of(self, index: int) -> _Archive:
        if self._several is not None and not self._first <= index < self._stop:
            following = self._opened(self._several, self._several.part_of(index))
            self._open.close()
            self._open = following
        return self._open

    def _opened(self, several: SeveralArchives, number: int) -> _Archive:
        opened = _Archive(self._path / str(number), several.parts[number], self._limits)
        self._first, self._stop = several.starts[number : number + 2]
        return opened


class _Archive:
    """One open archive."""

    def __init__(self, path: Path, archive: ArchiveIndex, limits: Settings) -> None:
        """path: the file that `validate` indexed, unless the index names a source. archive: its index.

        Raises `NotFound` or `Conflict` if the source does not exist any more or has changed.
        """
        self._source = archive.source
        self._archive = archive
        self._descriptor: int | None = None
        self._stored: StoredBytes | None = None
        self._entries: ZipEntries | TarEntries | ArrayImages | FolderEntries | ObjectEntries
        if isinstance(self._source, PinnedObject):
            bucket = self._source.opened(limits)
            if archive.kind is Kind.OBJECTS:
                self._entries = ObjectEntries(self._source, bucket, archive, limits)
                return
            self._stored = StoredBytes(self._source, bucket)
            file: Readable = self._stored
        else:
            self._descriptor = os.open(path, os.O_RDONLY) if self._source is None else self._source.opened()
            file = self._descriptor
            if archive.kind is Kind.FOLDER:
                self._entries = FolderEntries(self._descriptor, archive, limits)
                return
            if archive.array:
                self._entries = ArrayImages(self._descriptor, archive.array)
                return
        self._entries = (TarEntries if archive.kind is Kind.TAR else ZipEntries)(file, archive, limits)

    def close(self) -> None:
        """Close the archive's files."""
        if isinstance(self._entries, FolderEntries | ObjectEntries):
            self._entries.close()
        if self._descriptor is not None:
            os.close(self._descriptor)

    def check(self) -> None:
        """Raise `Conflict` if the source has changed since it was named: what was read of it may be wrong."""
        if isinstance(self._source, PinnedFile):
            self._source.check(self._descriptor)

    def expect(self, start: int, stop: int) -> None:
        """Announce that the entries `start` to `stop` (exclusive) are read next, so that a store sends no others."""
        if isinstance(self._entries, ObjectEntries):
            self._entries.expect(stop)
        elif self._stored is not None:
            self._stored.expect(coalesced(self._archive.spans(start, stop)))

    def read(self, index: int) -> bytes:
        """Return the bytes of one entry: of a file, verified by its checksum if the archive has one, or of an image.

        Reads in the archive's order are fastest. Raises `Malformed` if the entry is damaged, has another size than
        its header states, or is larger than the limit.
        """
        return self._entries.read(index)

    def images(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return the images `start` to `stop` (exclusive), (n, H, W) or (n, H, W, 3).

        The index must have an `image_shape`.
        """
        assert isinstance(self._entries, ArrayImages), "the archive holds files, not an array of images"
        return self._entries.images(start, stop)
