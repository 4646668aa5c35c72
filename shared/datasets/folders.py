"""An archive of class folders as a data set: labels from the entries' names, images decoded block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from shared.archives import ArchiveIndex, Contents
from shared.archives.entries import shown
from shared.datasets.content import Content, Images, Split
from shared.datasets.layout import Indices, lay_out
from shared.errors import Invalid, Malformed, TooLarge
from shared.images.decoding import decode_into, shape_of
from shared.runtime.settings import Settings

BLOCK_BYTES = 4 * 1024 * 1024
NAMED = 5  # damaged images that an error names; the others are only counted

Shape = tuple[int, int]


def read_folders(
    path: Path, archive: ArchiveIndex, limits: Settings, test_fraction: float, seed: int, image_shape: Shape | None
) -> Content:
    """Validate the archive's layout and return the content; its images are decoded on iteration, block by block.

    image_shape: (H, W) to resize each image to; None if all images must have the same shape. Raises `Invalid` or
    `TooLarge`, here or on iteration, with the names of the images.
    """
    layout = lay_out(archive.paths(0, len(archive)), limits.max_classes, test_fraction, seed)
    reading = Reading(
        path, archive, limits, image_shape or _first_shape(path, archive, limits, layout.train), image_shape
    )
    height, width = reading.shape
    if height * width > limits.max_image_pixels:
        raise TooLarge("dataset_too_large", f"an image may have at most {limits.max_image_pixels} pixels")
    if len(archive) * height * width > limits.max_expanded_bytes:
        raise TooLarge("dataset_too_large", f"the images take more than {limits.max_expanded_bytes} bytes when decoded")
    return Content(
        reading.shape,
        layout.classes,
        Split(layout.train_labels, Blocks(reading, layout.train)),
        Split(layout.test_labels, Blocks(reading, layout.test, last=True)),
    )


@dataclass
class Reading:
    """The state that the parts of one archive share: the shape of all images, and the damaged ones so far."""

    path: Path
    archive: ArchiveIndex
    limits: Settings
    shape: Shape
    resized_to: Shape | None
    damaged: list[str] = field(default_factory=list)

    def decode(self, row: Images, content: bytes, index: int) -> None:
        """Decode one entry into `row` (H, W), or record it as damaged; raises `Invalid` if its shape differs."""
        try:
            if self.resized_to is None and (shape := shape_of(content, self.limits.max_image_pixels)) != self.shape:
                raise Invalid(
                    "dataset_shapes",
                    f"{self.name(index)} has {_text(shape)} pixels, but the images before it have {_text(self.shape)};"
                    f" resize all images, for example with image_shape={self.shape[0]}x{self.shape[1]}",
                )
            decode_into(row, content, self.limits.max_image_pixels)
        except Malformed as error:
            self.record(index, error)

    def record(self, index: int, error: Malformed) -> None:
        """Record that this entry cannot be read."""
        self.damaged.append(f"{self.name(index)} ({error.detail})" if len(self.damaged) < NAMED else "")

    def raise_if_damaged(self) -> None:
        """Raise `Invalid` if any entry could not be read."""
        count = len(self.damaged)
        if count:
            others = f", and {count - NAMED} more" if count > NAMED else ""
            named = "; ".join(self.damaged[:NAMED])
            raise Invalid("dataset_images", f"{count} of {len(self.archive)} files cannot be read: {named}{others}")

    def name(self, index: int) -> str:
        """Return an entry's name for an error message."""
        return shown(self.archive.paths(index, index + 1)[0])


@dataclass(frozen=True)
class Blocks:
    """The images of one part, decoded again at each iteration; the `last` part raises `Invalid` for damaged images."""

    reading: Reading
    indices: Indices
    last: bool = False

    def __iter__(self) -> Iterator[Images]:
        """Yield blocks (n, H, W) of a few MiB."""
        reading = self.reading
        height, width = reading.shape
        rows = max(1, BLOCK_BYTES // (height * width))
        with Contents(reading.path, reading.archive, reading.limits) as contents:
            for start in range(0, len(self.indices), rows):
                chosen = self.indices[start : start + rows].tolist()
                block = np.empty((len(chosen), height, width), np.uint8)
                for row, index in zip(block, chosen, strict=True):
                    try:
                        content = contents.read(index)
                    except Malformed as error:
                        reading.record(index, error)
                    else:
                        reading.decode(row, content, index)
                yield block
        if self.last:
            reading.raise_if_damaged()


def _first_shape(path: Path, archive: ArchiveIndex, limits: Settings, indices: Indices) -> Shape:
    """Return the shape of the first readable image; raises `Invalid` if none is readable."""
    with Contents(path, archive, limits) as contents:
        for index in indices.tolist():
            try:
                return shape_of(contents.read(index), limits.max_image_pixels)
            except Malformed:
                continue
    raise Invalid("dataset_images", f"none of the {len(indices)} files for training is a readable image")


def _text(shape: Shape) -> str:
    return f"{shape[0]} × {shape[1]}"
