"""Cutout: one random square of each image is hidden, after DeVries and Taylor 2017."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shared.network.arrays import Array

Indices: TypeAlias = npt.NDArray[np.intp]


class Cutout:
    """Hides a square of each image of this shape, (H, W) or (H, W, 3), that has this share of the shorter side.

    The square's middle is uniform over the image, so a part of the square can lie outside. The square gets the image's
    mean colour: it is as neutral as the paper's zeros, which are the mean of normalized images, whatever the
    background is; black would be the background of digits, and a strong edge in a bright photograph.
    """

    def __init__(self, shape: tuple[int, ...], share: float) -> None:
        self._shape = shape
        self._side = max(1, round(share * min(shape[:2])))

    def draw(self, count: int, rng: np.random.Generator) -> Indices:
        """Return each image's square, (count, 4): its first row, the row after its last, and its columns likewise."""
        squares = np.empty((count, 2, 2), np.intp)
        for axis, side in enumerate(self._shape[:2]):
            start = rng.integers(0, side, count) - self._side // 2
            squares[:, axis] = np.clip([start, start + self._side], 0, side).T
        return squares.reshape(count, 4)

    def run(self, images: Array, squares: Indices) -> None:
        """Fill the squares of the images (n, H, W) or (n, H, W, 3), which are contiguous."""
        n, H, W, *channels = images.shape
        C = math.prod(channels)
        rows = images.reshape(n, H, W * C)
        means = rows.sum(axis=1).reshape(n, W, C).sum(axis=1) / (H * W)
        fills = np.tile(means, self._side)  # (n, side · C): one row of a square
        for image, fill, (top, bottom, left, right) in zip(rows, fills, squares.tolist(), strict=True):
            image[top:bottom, left * C : right * C] = fill[: (right - left) * C]
