"""Write the class folders: `FOLDER/train/<class>/…` and `FOLDER/test/<class>/…`, two PNG files for each JPEG.

    PYTHONPATH=. python -m benchmarks.pictures.making FOLDER letters [--variant mixed] [--seed 1]

The same kind, variant and seed give the same pictures. Needs requirements/bench.in, whose packages carry the fonts and
the photographs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image

from benchmarks.pictures import hues, letters, photographs
from benchmarks.pictures.drawing import Part, Picture, Size

SIDE = 32
MIXED = (24, 57)
"""The least side of a picture of mixed size, and one more than the largest."""

KINDS: dict[str, Callable[[Part, np.random.Generator, Size], Iterator[Picture]]] = {
    "letters": letters.pictures,
    "photographs": photographs.pictures,
    "hues": hues.pictures,
}
Variant = Literal["plain", "mixed", "gray"]


def main() -> None:
    """Write one folder."""
    parser = argparse.ArgumentParser(description="Make class folders of pictures.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--variant", choices=get_args(Variant), default="plain")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{make(options.folder, options.kind, options.variant, options.seed)} pictures in {options.folder}")


def make(folder: Path, kind: str, variant: Variant = "plain", seed: int = 1) -> int:
    """Write a folder of one kind: colour 32×32, or of mixed sizes, or gray; return the number of pictures."""
    size = mixed_size if variant == "mixed" else fixed_size
    written = 0
    for number, part in enumerate(get_args(Part)):
        rng = np.random.default_rng([seed, list(KINDS).index(kind), number])
        for name, pixels in KINDS[kind](part, rng, size):
            image = Image.fromarray(pixels)
            save(image.convert("L") if variant == "gray" else image, folder / part / name, written)
            written += 1
    return written


def save(image: Image.Image, folder: Path, number: int) -> None:
    """Write a picture as PNG, or each third as JPEG."""
    folder.mkdir(parents=True, exist_ok=True)
    if number % 3 == 2:
        image.save(folder / f"{number:05d}.jpg", quality=92)
    else:
        image.save(folder / f"{number:05d}.png", compress_level=1)


def fixed_size(_: np.random.Generator) -> tuple[int, int]:
    """Return the common size."""
    return SIDE, SIDE


def mixed_size(rng: np.random.Generator) -> tuple[int, int]:
    """Draw a height and a width."""
    height, width = rng.integers(*MIXED, 2)
    return int(height), int(width)


if __name__ == "__main__":
    main()
