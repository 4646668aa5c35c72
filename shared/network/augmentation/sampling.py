"""Bilinear interpolation of the images of a batch at arbitrary coordinates."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shared.network.arrays import Array, Images

Positions: TypeAlias = npt.NDArray[np.intp]

BLOCK = 16_384
"""Pixels sampled at a time, so that the dozen arrays of a block fit into the processor's cache."""


class Sampler:
    """Samples images of one shape (H, W) at coordinates in pixels; pixels outside an image are 0.

    Each image gets a border of zeros, one pixel wide on top and on the left and two on the other sides, so that every
    coordinate, clipped to [-1, H] × [-1, W], has four neighbours.
    """

    def __init__(self, shape: tuple[int, int], dtype: np.dtype[np.floating]) -> None:
        H, W = shape
        self._shape = shape
        self.block = max(1, BLOCK // (H * W))
        self._padded = np.zeros((self.block, H + 3, W + 3), dtype)
        n = self.block
        self._offsets = (np.arange(n) * ((H + 3) * (W + 3))).reshape(n, 1, 1)
        self._row, self._top, self._bottom, self._right = (np.empty((n, H, W), dtype) for _ in range(4))
        self._positions = np.empty((n, H, W), np.intp)

    def run(self, images: Images, y: Array, x: Array, factor: float, out: Array) -> None:
        """Write out[i, r, c] ← factor · images[i] at row y[i, r, c], column x[i, r, c]. All are (n, H, W), n ≤ block.

        It overwrites the coordinates.
        """
        n = len(images)
        H, W = self._shape
        padded, row, positions = self._padded[:n], self._row[:n], self._positions[:n]
        np.multiply(images, padded.dtype.type(factor), out=padded[:, 1 : H + 1, 1 : W + 1])
        positions[...] = self._offsets[:n]
        for weight, side, stride in ((y, H, W + 3), (x, W, 1)):
            np.add(weight, 1, out=weight)
            np.clip(weight, 0, side + 1, out=weight)
            np.floor(weight, out=row)
            np.subtract(weight, row, out=weight)  # the fraction is the weight of the next pixel
            row *= stride
            np.add(positions, row, out=positions, casting="unsafe")
        top, bottom, right = self._top[:n], self._bottom[:n], self._right[:n]
        self._between(padded, 0, positions, x, top, right)
        self._between(padded, W + 3, positions, x, bottom, right)
        bottom -= top
        bottom *= y
        np.add(top, bottom, out=out)

    @staticmethod
    def _between(padded: Array, shift: int, positions: Positions, x: Array, left: Array, right: Array) -> None:
        """Interpolate the pixels at positions + shift with their right neighbours: left ← left + x (right - left)."""
        pixels = padded.reshape(-1)[shift:]
        # All positions are valid; with "clip", `take` skips the check of the bounds and a copy.
        pixels.take(positions, out=left, mode="clip")
        pixels[1:].take(positions, out=right, mode="clip")
        right -= left
        right *= x
        left += right
