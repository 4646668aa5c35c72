"""Where the images come from that a derived data set has: its source, another data set, a batch's archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.archives import ArchiveIndex, Contents
from shared.archives import load as load_index
from shared.datasets.content import Images
from shared.datasets.folders.decoding_time import DecodingTime
from shared.errors import Invalid, Malformed, NotFound
from shared.images.decoding import decode_into, resize_into
from shared.images.inversion import Brightness, invert
from shared.images.shapes import Shape
from shared.runtime.settings import Settings

BLOCK_BYTES = 4 * 1024 * 1024

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class KeptImages:
    """The images (N, ...) of the source for which the mask `kept` (N,) is true."""

    images: Images
    kept: NDArray[np.bool_]

    def __iter__(self) -> Iterator[Images]:
        """Yield blocks of a few MiB."""
        rows = max(1, BLOCK_BYTES // self.images[0].nbytes)
        for start in range(0, len(self.kept), rows):
            chosen = self.kept[start : start + rows]
            if chosen.any():
                block = self.images[start : start + rows]
                yield block if chosen.all() else block[chosen]


@dataclass(frozen=True)
class DatasetImages:
    """The images of another data set's split at `indices` (n,), resized to `shape`."""

    images: Images
    indices: Indices
    shape: Shape

    def __iter__(self) -> Iterator[Images]:
        """Yield blocks of a few MiB, (n, *shape)."""
        rows = max(1, BLOCK_BYTES // max(self.images[0].nbytes, prod(self.shape)))
        for start in range(0, len(self.indices), rows):
            block = self.images[self.indices[start : start + rows]]
            resized = np.empty((len(block), *self.shape), np.uint8)
            resize_into(resized, block)
            yield resized


@dataclass(frozen=True)
class BatchImages:
    """The entries of a batch's archive at `indices` (n,), decoded to `shape` and inverted as the batch does it.

    job: the batch's id. index: the folder of the archive's index. brightness: of the training images, with which
    `invert` compares. time: the CPU time that all images of the request take.
    """

    job: str
    archive: Path
    index: Path
    indices: Indices
    shape: Shape
    limits: Settings
    time: DecodingTime
    invert: str = "never"
    brightness: Brightness | None = None

    def __iter__(self) -> Iterator[Images]:
        """Yield blocks of a few MiB, (n, *shape).

        Raises `Invalid` for an entry that cannot be decoded, `NotFound` if the archive does not exist, and `TooLarge`
        after too much `time`.
        """
        rows = max(1, BLOCK_BYTES // prod(self.shape))
        try:
            index = load_index(self.index)
            with Contents(self.archive, index, self.limits) as contents:
                for start in range(0, len(self.indices), rows):
                    entries = self.indices[start : start + rows].tolist()
                    block = np.empty((len(entries), *self.shape), np.uint8)
                    for row, entry in zip(block, entries, strict=True):
                        self._decode(row, entry, contents, index)
                    invert(block, self.invert, self.brightness)
                    yield block
        except FileNotFoundError:
            raise archive_missing(self.job) from None

    def _decode(self, row: Images, entry: int, contents: Contents, index: ArchiveIndex) -> None:
        try:
            if index.shape_of(entry):
                resize_into(row[np.newaxis], contents.images(entry, entry + 1))
            else:
                content, most = contents.read(entry), self.limits.max_image_pixels
                decode_into(row, content, most, seconds=self.limits.max_image_seconds, spend=self.time.spend)
        except Malformed as error:
            raise Invalid(
                "dataset_images",
                f"image {entry} of job {self.job} cannot be added: {error.detail}. Leave it out; /v1/jobs/{self.job}"
                "/errors lists the images of a batch that cannot be read",
            ) from error


def archive_missing(job: str) -> NotFound:
    """Return the error for images of a batch whose archive does not exist."""
    return NotFound(
        "archive_not_found",
        f"the archive of job {job} is not on the volume: the job was deleted, or is not accepted yet. Send the images"
        " as a file",
    )
