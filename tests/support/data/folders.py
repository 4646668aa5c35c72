"""Archives of class folders."""

from __future__ import annotations

import numpy as np

from tests.support.data.images import png
from tests.support.data.npz import Images, Labels, easy_images

KINDS = ("ant", "bee", "cat")


def class_folders(images: Images, labels: Labels, prefix: str = "") -> dict[str, bytes]:
    """Return PNG files by their names, `<prefix><kind>/00000.png`, of images (N, H, W) and their labels (N,)."""
    return {
        f"{prefix}{KINDS[label]}/{number:05d}.png": png(image)
        for number, (image, label) in enumerate(zip(images, labels.tolist(), strict=True))
    }


def easy_folders(count: int = 30, **options: int) -> dict[str, bytes]:
    """Return class folders of images that any classifier can learn."""
    return class_folders(*easy_images(count, **options))


def split_folders(train: int = 30, test: int = 12) -> dict[str, bytes]:
    """Return the folders `train` and `test`."""
    images, labels = easy_images(train + test)
    return class_folders(images[:train], labels[:train], "train/") | class_folders(
        images[train:], labels[train:], "test/"
    )


def bright(shape: tuple[int, int]) -> bytes:
    """Return a PNG whose pixels all have one value."""
    return png(np.full(shape, 200, np.uint8))
