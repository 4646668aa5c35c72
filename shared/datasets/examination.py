"""Examination of an archive's images before they are decoded: their sizes, and whether any is in colour."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared.archives import ArchiveIndex, Contents
from shared.archives.entries import shown
from shared.datasets.shape_rule import Sizes
from shared.errors import Invalid, Malformed
from shared.images.examination import shape_and_colour
from shared.runtime.settings import Settings


@dataclass(frozen=True)
class Examined:
    """The sizes (n, 2) of the readable images, and the index of the first entry that is in colour, or None."""

    sizes: Sizes
    coloured: int | None


def examine(path: Path, archive: ArchiveIndex, limits: Settings, *, sizes: bool, colour: bool) -> Examined:
    """Examine the images in the archive's order; stops as soon as the questions are answered.

    sizes: whether the size of each image is needed, else `Examined.sizes` is empty. colour: whether to search for an
    image in colour; the pixels of images are decoded until one is found. An unreadable image is skipped. Raises
    `Invalid` if the sizes are needed and no image is readable.
    """
    found = np.empty((len(archive) if sizes else 0, 2), np.int32)
    count, coloured = 0, None
    with Contents(path, archive, limits) as contents:
        for index in range(len(archive)):
            search = colour and coloured is None
            if not (sizes or search):
                break
            try:
                shape, in_colour = shape_and_colour(contents.read(index), limits.max_image_pixels, find_colour=search)
            except Malformed:
                continue
            if sizes:
                found[count] = shape
                count += 1
            if in_colour:
                coloured = index
    if sizes and not count:
        raise Invalid("dataset_images", f"none of the {len(archive)} files is a readable image")
    return Examined(found[:count], coloured)


def name_of(archive: ArchiveIndex, index: int) -> str:
    """Return an entry's name for a message."""
    return shown(archive.paths(index, index + 1)[0])
