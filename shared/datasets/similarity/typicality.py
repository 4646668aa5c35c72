"""How far each image is from the mean image of its class: mislabelled and unusual images are the farthest.

The distance is the root of the mean squared difference of the gray levels or colours, from 0 to 255. Large images are
reduced to the shape of the summary's mean images.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from shared.datasets.content import Images, Labels
from shared.datasets.summary import BLOCK_BYTES, Splits, add_to, mean_shape
from shared.images.area import area_resize
from shared.images.shapes import Shape

Distances = NDArray[np.float32]  # (N,)


def distances(splits: Splits, classes: int, image_shape: Shape) -> dict[str, Distances]:
    """Return the distances (N,) of the images of each split to the means of their classes, in two passes over them."""
    shape = mean_shape(image_shape, classes)
    sums = np.zeros((classes, *shape), np.uint64)
    counts = np.zeros(classes, np.int64)
    for images, labels in splits.values():
        counts += np.bincount(labels, minlength=classes)
        for block, of in _blocks(images, labels, image_shape, shape):
            add_to(sums, block, of)
    means = (sums / np.maximum(counts, 1).reshape(-1, *[1] * len(shape))).astype(np.float32)
    found = {}
    for name, (images, labels) in splits.items():
        parts = [
            np.sqrt(np.square(block - means[of]).reshape(len(of), -1).mean(axis=1))
            for block, of in _blocks(images, labels, image_shape, shape)
        ]
        found[name] = np.concatenate(parts).astype(np.float32)
    return found


def _blocks(
    images: Images, labels: Labels, image_shape: Shape, shape: tuple[int, ...]
) -> Iterator[tuple[Images, Labels]]:
    """Yield blocks of images, reduced to `shape`, with their labels."""
    step = max(1, BLOCK_BYTES // int(np.prod(image_shape)) // 4)  # the differences are float32
    for start in range(0, len(labels), step):
        block = np.asarray(images[start : start + step])
        yield block if image_shape == shape else area_resize(block, shape), labels[start : start + step]
