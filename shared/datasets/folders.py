"""An archive of class folders as a data set: labels from the entries' names, images decoded block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import numpy as np

from shared.archives import ArchiveIndex, Contents
from shared.datasets.colour_check import check_colour
from shared.datasets.content import Content, Images, Split
from shared.datasets.examination import Examined, examine, name_of
from shared.datasets.layout import Indices, lay_out
from shared.datasets.shape_rule import choose_shape
from shared.errors import Invalid, Malformed, TooLarge
from shared.images.decoding import decode_into
from shared.images.shapes import RGB, Shape, as_text, shape_with
from shared.runtime.settings import Settings

BLOCK_BYTES = 4 * 1024 * 1024
NAMED = 5  # damaged images that an error names; the others are only counted


def read_folders(
    path: Path,
    archive: ArchiveIndex,
    limits: Settings,
    test_fraction: float,
    seed: int,
    image_shape: tuple[int, int] | None,
    channels: int | None,
) -> Content:
    """Validate the archive's layout and return the content; its images are decoded on iteration, block by block.

    image_shape: (H, W) to resize each image to; None chooses it by `shape_rule`. channels: 1 for grayscale, 3 for
    colour; None chooses colour if any image is in colour. Raises `Invalid` or `TooLarge`, here or on iteration, with
    the names of the images.
    """
    layout = lay_out(archive.paths(0, len(archive)), limits.max_classes, test_fraction, seed)
    examined = examine(path, archive, limits, sizes=image_shape is None, colour=channels != RGB)
    chosen = {"validation": layout.validation} if layout.validation else {}
    if image_shape is None:
        image_shape, reason = choose_shape(examined.sizes)
        chosen["image_shape"] = f"{as_text(image_shape)}, {reason}"
    if channels is None:
        channels, chosen["channels"] = _choose_channels(archive, examined)
    shape = shape_with(*image_shape, channels)
    if prod(image_shape) > limits.max_image_pixels:
        raise TooLarge("dataset_too_large", f"an image may have at most {limits.max_image_pixels} pixels")
    if len(archive) * prod(shape) > limits.max_expanded_bytes:
        raise TooLarge("dataset_too_large", f"the images take more than {limits.max_expanded_bytes} bytes when decoded")
    reading = Reading(path, archive, limits, shape)
    dropped = channels == 1 and examined.coloured is not None
    return Content(
        shape,
        layout.classes,
        Split(layout.train_labels, Blocks(reading, layout.train)),
        Split(layout.test_labels, Blocks(reading, layout.test, last=True)),
        chosen,
        colour_dropped=dropped,
        colour_check=check_colour(path, archive, layout, limits) if dropped else None,
    )


def _choose_channels(archive: ArchiveIndex, examined: Examined) -> tuple[int, str]:
    """Return the number of channels, and the reason as a sentence."""
    if examined.coloured is None:
        return 1, "1 (grayscale), as no image is in colour"
    name = name_of(archive, examined.coloured)
    return RGB, f"{RGB} (red, green and blue), as images are in colour, such as {name}; channels=1 makes them grayscale"


@dataclass
class Reading:
    """The state that the parts of one archive share: the shape of all images, and the damaged ones so far."""

    path: Path
    archive: ArchiveIndex
    limits: Settings
    shape: Shape
    damaged: list[str] = field(default_factory=list)

    def decode(self, row: Images, content: bytes, index: int) -> None:
        """Decode one entry into `row`, (H, W) or (H, W, 3), or record it as damaged."""
        try:
            decode_into(row, content, self.limits.max_image_pixels)
        except Malformed as error:
            self.record(index, error)

    def record(self, index: int, error: Malformed) -> None:
        """Record that this entry cannot be read."""
        self.damaged.append(f"{name_of(self.archive, index)} ({error.detail})" if len(self.damaged) < NAMED else "")

    def raise_if_damaged(self) -> None:
        """Raise `Invalid` if any entry could not be read."""
        count = len(self.damaged)
        if count:
            others = f", and {count - NAMED} more" if count > NAMED else ""
            named = "; ".join(self.damaged[:NAMED])
            raise Invalid("dataset_images", f"{count} of {len(self.archive)} files cannot be read: {named}{others}")


@dataclass(frozen=True)
class Blocks:
    """The images of one part, decoded again at each iteration; the `last` part raises `Invalid` for damaged images."""

    reading: Reading
    indices: Indices
    last: bool = False

    def __iter__(self) -> Iterator[Images]:
        """Yield blocks of a few MiB, (n, H, W) or (n, H, W, 3)."""
        reading = self.reading
        rows = max(1, BLOCK_BYTES // prod(reading.shape))
        with Contents(reading.path, reading.archive, reading.limits) as contents:
            for start in range(0, len(self.indices), rows):
                chosen = self.indices[start : start + rows].tolist()
                block = np.empty((len(chosen), *reading.shape), np.uint8)
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
