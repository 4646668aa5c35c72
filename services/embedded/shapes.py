"""`shapes.py FOLDER`: writes coloured shapes of mixed sizes, as pictures to train on and pictures to classify.

`pictures/` has class folders below `train/` and `test/`, a damaged file, a text, and one test picture in the wrong
folder; `new/` has pictures without a folder, named by their class. The pictures are the same each time.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

CORNERS = {"circle": 0, "square": 4, "triangle": 3}
ANGLES = {"circle": 0.0, "square": math.pi / 4, "triangle": -math.pi / 2}  # of the first corner
TRAIN, TEST, NEW = 40, 20, 10  # of each class
LARGE = 4  # the factor by which a picture is drawn larger, so that its edges are smooth
MISPLACED = Path("test/square/circle-07.png")


def main(folder: Path) -> None:
    """Write the pictures into a folder."""
    rng = np.random.default_rng(0)
    pictures = folder / "pictures"
    for kind in CORNERS:
        for split, count in (("train", TRAIN), ("test", TEST)):
            for number in range(count):
                _save(pictures / split / kind / f"{kind}-{number:02d}.png", shape(rng, kind))
        for number in range(NEW):
            _save(folder / "new" / f"{kind}-{number:02d}.jpg", shape(rng, kind))
    (pictures / "test" / "circle" / MISPLACED.name).rename(pictures / MISPLACED)
    (pictures / "train" / "circle" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    (pictures / "notes.txt").write_text("Drawn by a program.\n")
    print(f"{folder}: {len(CORNERS) * (TRAIN + TEST)} pictures of 3 classes, and {len(CORNERS) * NEW} to classify")


def shape(rng: np.random.Generator, kind: str) -> Image.Image:
    """Return a picture of 14 to 20 pixels a side with one shape, about in its middle, light on a dark ground."""
    width, height = rng.integers(14, 21, 2).tolist()
    ground, colour = rng.integers(0, 90, 3), rng.integers(130, 256, 3)
    radius = rng.uniform(0.36, 0.44) * min(width, height)
    x, y = width / 2 + rng.uniform(-1, 1), height / 2 + rng.uniform(-1, 1)
    turn = ANGLES[kind] + rng.uniform(-0.3, 0.3)
    image = Image.new("RGB", (width * LARGE, height * LARGE), tuple(ground.tolist()))
    corners = CORNERS[kind] or 60  # a circle has many
    place = [
        (LARGE * (x + radius * math.cos(turn + 2 * math.pi * i / corners)),
         LARGE * (y + radius * math.sin(turn + 2 * math.pi * i / corners)))
        for i in range(corners)
    ]  # fmt: skip
    ImageDraw.Draw(image).polygon(place, tuple(colour.tolist()))
    small = np.asarray(image.resize((width, height), Image.Resampling.BOX), np.int16)
    noisy = small + rng.normal(0, 8, small.shape).astype(np.int16)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def _save(path: Path, image: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
