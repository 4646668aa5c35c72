"""An archive of class folders as a data set: laid out by its names, its images decoded as they are stored."""

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
NAMED = 5  # damaged images that an error names; it counts the rest

Shape = tuple[int, int]


def read_folders(
    path: Path, plan: ArchiveIndex, limits: Settings, test_fraction: float, seed: int, image_shape: Shape | None
) -> Content:
    """Lay the images out and describe the content; they are decoded later, block by block.

    image_shape: (H, W) that each image is resized to; None where all have one shape already, which is demanded. Raises
    `Invalid` or `TooLarge`, here or while the images are read, with the names of those that are wrong.
    """
    layout = lay_out(plan.paths(0, len(plan)), limits.max_classes, test_fraction, seed)
    reading = Reading(path, plan, limits, image_shape or _first_shape(path, plan, limits, layout.train), image_shape)
    height, width = reading.shape
    if height * width > limits.max_image_pixels:
        raise TooLarge("dataset_too_large", f"an image may have at most {limits.max_image_pixels} pixels")
    if len(plan) * height * width > limits.max_expanded_bytes:
        raise TooLarge("dataset_too_large", f"the images take more than {limits.max_expanded_bytes} bytes when decoded")
    return Content(
        reading.shape,
        layout.classes,
        Split(layout.train_labels, Blocks(reading, layout.train)),
        Split(layout.test_labels, Blocks(reading, layout.test, last=True)),
    )


@dataclass
class Reading:
    """What the parts of one archive share while they are read: the shape of all images, and which were damaged."""

    path: Path
    plan: ArchiveIndex
    limits: Settings
    shape: Shape
    resized_to: Shape | None
    damaged: list[str] = field(default_factory=list)

    def decode(self, row: Images, content: bytes, index: int) -> None:
        """Decode one entry into `row` (H, W), or note that it is damaged; raises `Invalid` where its shape differs."""
        try:
            if self.resized_to is None and (shape := shape_of(content, self.limits.max_image_pixels)) != self.shape:
                raise Invalid(
                    "dataset_shapes",
                    f"{self.name(index)} has {_text(shape)} pixels, and the images before it have {_text(self.shape)};"
                    f" resize them all, for example with image_shape={self.shape[0]}x{self.shape[1]}",
                )
            decode_into(row, content, self.limits.max_image_pixels)
        except Malformed as error:
            self.note(index, error)

    def note(self, index: int, error: Malformed) -> None:
        """Keep in mind that this entry cannot be read."""
        self.damaged.append(f"{self.name(index)} ({error.detail})" if len(self.damaged) < NAMED else "")

    def refuse_damage(self) -> None:
        """Raise `Invalid` where an entry could not be read."""
        count = len(self.damaged)
        if count:
            others = f", and {count - NAMED} more" if count > NAMED else ""
            named = "; ".join(self.damaged[:NAMED])
            raise Invalid("dataset_images", f"{count} of {len(self.plan)} files cannot be read: {named}{others}")

    def name(self, index: int) -> str:
        """An entry's name, as an error tells it."""
        return shown(self.plan.paths(index, index + 1)[0])


@dataclass(frozen=True)
class Blocks:
    """The images of one part, decoded anew at each iteration; the `last` part's end tells of all that were damaged."""

    reading: Reading
    indices: Indices
    last: bool = False

    def __iter__(self) -> Iterator[Images]:
        """Yield blocks (n, H, W) of a few MiB."""
        reading = self.reading
        height, width = reading.shape
        rows = max(1, BLOCK_BYTES // (height * width))
        with Contents(reading.path, reading.plan, reading.limits) as contents:
            for start in range(0, len(self.indices), rows):
                chosen = self.indices[start : start + rows].tolist()
                block = np.empty((len(chosen), height, width), np.uint8)
                for row, index in zip(block, chosen, strict=True):
                    try:
                        content = contents.read(index)
                    except Malformed as error:
                        reading.note(index, error)
                    else:
                        reading.decode(row, content, index)
                yield block
        if self.last:
            reading.refuse_damage()


def _first_shape(path: Path, plan: ArchiveIndex, limits: Settings, indices: Indices) -> Shape:
    """The shape of the first image that can be read; raises `Invalid` where none can."""
    with Contents(path, plan, limits) as contents:
        for index in indices.tolist():
            try:
                return shape_of(contents.read(index), limits.max_image_pixels)
            except Malformed:
                continue
    raise Invalid("dataset_images", f"none of the {len(indices)} files for training is an image that can be read")


def _text(shape: Shape) -> str:
    return f"{shape[0]} × {shape[1]}"
