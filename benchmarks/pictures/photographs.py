"""Crops of ten photographs: each photograph is a class.

A photograph is divided into 4 × 4 blocks. Four of them, one in each row and each column, are the test part; a crop lies
within one block, so that no pixel of the test part occurs in the training part.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from benchmarks.pictures.drawing import Counts, Part, Picture, Size, package_file

PHOTOGRAPHS = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "cat": ("skimage", "data/chelsea.png"),
    "coffee": ("skimage", "data/coffee.png"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
    "galaxies": ("skimage", "data/hubble_deep_field.jpg"),
    "motorcycle": ("skimage", "data/motorcycle_left.png"),
    "retina": ("skimage", "data/retina.jpg"),
    "rocket": ("skimage", "data/rocket.jpg"),
    "temple": ("sklearn", "datasets/images/china.jpg"),
    "tissue": ("skimage", "data/ihc.png"),
}
"""Each class's photograph: a package and its file."""

COUNTS = Counts(train=200, test=100)
SHORTER_SIDE = 384
BLOCKS = 4
CROP = (32, 80)
"""The least side of a crop in pixels of the photograph, and one more than the largest; a block's is at least 96."""


def pictures(part: Part, rng: np.random.Generator, size: Size) -> Iterator[Picture]:
    """Yield the part's crops, photograph by photograph."""
    for name, place in PHOTOGRAPHS.items():
        photograph = scaled(Image.open(package_file(*place)).convert("RGB"))
        blocks = [
            (row, column)
            for row in range(BLOCKS)
            for column in range(BLOCKS)
            if (part == "test") == (column == (2 * row + row // 2) % BLOCKS)
        ]
        for _ in range(COUNTS.of(part)):
            yield name, np.asarray(crop(photograph, blocks[rng.integers(len(blocks))], rng, *size(rng)))


def scaled(photograph: Image.Image) -> Image.Image:
    """Scale a photograph so that its shorter side has the common length."""
    factor = SHORTER_SIDE / min(photograph.size)
    return photograph.resize((round(photograph.width * factor), round(photograph.height * factor)))


def crop(
    photograph: Image.Image, block: tuple[int, int], rng: np.random.Generator, height: int, width: int
) -> Image.Image:
    """Cut a random rectangle out of a block, and resize it."""
    row, column = block
    tall, wide = photograph.height // BLOCKS, photograph.width // BLOCKS
    longer = int(rng.integers(*CROP))
    cut_height, cut_width = (max(1, longer * side // max(height, width)) for side in (height, width))
    top = row * tall + int(rng.integers(tall - cut_height + 1))
    left = column * wide + int(rng.integers(wide - cut_width + 1))
    area = (left, top, left + cut_width, top + cut_height)
    return photograph.crop(area).resize((width, height))
