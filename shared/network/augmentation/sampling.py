"""Images looked up between their pixels, by bilinear interpolation, for a whole batch at once."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shared.network.arrays import Array, Images

Places: TypeAlias = npt.NDArray[np.intp]

BLOCK = 16_384
"""Pixels that are looked up at a time, so that the dozen arrays of a block stay in the processor's cache."""


class Sampler:
    """Looks up images of one shape (H, W) at coordinates in pixels; what lies outside an image is 0.

    Around each image lies a border of zeros, one pixel wide on top and on the left and two on the other sides, so that
    every coordinate, once brought into [-1, H] × [-1, W], has four neighbours.
    """

    def __init__(self, shape: tuple[int, int], dtype: np.dtype[np.floating]) -> None:
        H, W = shape
        self._shape = shape
        self.block = max(1, BLOCK // (H * W))
        self._padded = np.zeros((self.block, H + 3, W + 3), dtype)
        n = self.block
        self._offsets = (np.arange(n) * ((H + 3) * (W + 3))).reshape(n, 1, 1)
        self._row, self._top, self._bottom, self._right = (np.empty((n, H, W), dtype) for _ in range(4))
        self._places = np.empty((n, H, W), np.intp)

    def run(self, images: Images, y: Array, x: Array, factor: float, out: Array) -> None:
        """Write out[i, r, c] ← factor · images[i] at row y[i, r, c], column x[i, r, c]. All are (n, H, W), n ≤ block.

        The coordinates are spent by it.
        """
        n = len(images)
        H, W = self._shape
        padded, row, places = self._padded[:n], self._row[:n], self._places[:n]
        np.multiply(images, padded.dtype.type(factor), out=padded[:, 1 : H + 1, 1 : W + 1])
        places[...] = self._offsets[:n]
        for weight, side, stride in ((y, H, W + 3), (x, W, 1)):
            np.add(weight, 1, out=weight)
            np.clip(weight, 0, side + 1, out=weight)
            np.floor(weight, out=row)
            np.subtract(weight, row, out=weight)  # what is left weighs the next pixel
            row *= stride
            np.add(places, row, out=places, casting="unsafe")
        top, bottom, right = self._top[:n], self._bottom[:n], self._right[:n]
        self._between(padded, 0, places, x, top, right)
        self._between(padded, W + 3, places, x, bottom, right)
        bottom -= top
        bottom *= y
        np.add(top, bottom, out=out)

    @staticmethod
    def _between(padded: Array, shift: int, places: Places, x: Array, left: Array, right: Array) -> None:
        """Mix the pixels `shift` beyond the places with their right-hand neighbours: left ← left + x (right - left)."""
        pixels = padded.reshape(-1)[shift:]
        # The places are all valid; "clip" spares `take` a pass and a copy that only errors need.
        pixels.take(places, out=left, mode="clip")
        pixels[1:].take(places, out=right, mode="clip")
        right -= left
        right *= x
        left += right
