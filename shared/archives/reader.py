"""Reads of single entries, by an archive's index, directly from the archive on the volume."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.archives.arrays import ArrayImages
from shared.archives.index import ArchiveIndex, Kind
from shared.archives.tar import TarEntries
from shared.archives.zip import ZipEntries
from shared.runtime.settings import Settings


class Contents:
    """An open archive. Use it in a `with` block, in one thread; any number of processes may have it open at once."""

    def __init__(self, path: Path, archive: ArchiveIndex, limits: Settings) -> None:
        """path: the file that `validate` indexed. archive: its index."""
        self._descriptor = os.open(path, os.O_RDONLY)
        self._entries: ZipEntries | TarEntries | ArrayImages
        if archive.array:
            self._entries = ArrayImages(self._descriptor, archive.array)
        elif archive.kind is Kind.TAR:
            self._entries = TarEntries(self._descriptor, archive, limits)
        else:
            self._entries = ZipEntries(self._descriptor, archive, limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

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
