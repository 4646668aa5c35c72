"""Bilinear interpolation of the images of a batch at arbitrary coordinates."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shared.network.arrays import Array

Positions: TypeAlias = npt.NDArray[np.intp]

BLOCK = 16_384
"""Pixels sampled at a time, so that the dozen arrays of a block fit into the processor's cache."""

LANES = 4
"""Numbers in memory for a pixel of three channels: NumPy's `take` copies 16 bytes in a quarter of the time of 12."""


class Sampler:
    """Samples images of one shape, (H, W) or (H, W, 3), at coordinates in pixels; all channels at the same ones.

    Each image gets a border of zeros, one pixel wide on top and on the left and two on the other sides, so that every
    coordinate, clipped to [-1, H] × [-1, W], has four neighbours. With `edge`, coordinates are clipped to the image,
    [0, H - 1] × [0, W - 1], so that the pixels at its edge continue outside it.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[np.floating], *, edge: bool = False) -> None:
        H, W = shape[:2]
        self._side = H, W
        self._channels = shape[2] if len(shape) == 3 else 1
        lanes = 1 if self._channels == 1 else LANES
        self._nearest, self._farthest = (1, 0) if edge else (0, 1)
        n = self.block = max(1, BLOCK // (H * W))
        self._padded = np.zeros((n, H + 3, W + 3, lanes), dtype)
        pixels = n * (H + 3) * (W + 3)
        exact = dtype if pixels <= 2 ** (np.finfo(dtype).nmant + 1) else np.dtype(np.float64)
        self._offsets = (np.arange(n) * ((H + 3) * (W + 3))).astype(exact).reshape(n, 1, 1)
        self._index, self._column = np.empty((n, H, W), exact), np.empty((n, H, W), exact)
        self._positions = np.empty((n, H, W), np.intp)
        self._top, self._bottom, self._right, self._y, self._x = (np.empty((n, H, W, lanes), dtype) for _ in range(5))

    def source(self, count: int) -> Array:
        """Return the array (count, H, W) or (count, H, W, 3) into which the caller writes the images to sample."""
        H, W = self._side
        source = self._padded[:count, 1 : H + 1, 1 : W + 1, : self._channels]
        return source if self._channels > 1 else source[..., 0]

    def run(self, y: Array, x: Array, out: Array) -> None:
        """Write out[i, r, c] ← the source's image i at row y[i, r, c] and column x[i, r, c], both (n, H, W), n ≤ block.

        out: (n, H, W) or (n, H, W, 3). It overwrites the coordinates.
        """
        n = len(out)
        W = self._side[1]
        positions = self._locate(y, x)
        y, x = self._spread(y, self._y[:n]), self._spread(x, self._x[:n])
        top, bottom, right = self._top[:n], self._bottom[:n], self._right[:n]
        pixels = self._padded[:n].reshape(-1, self._padded.shape[-1])
        _between(pixels, positions, x, top, right)
        _between(pixels[W + 3 :], positions, x, bottom, right)
        bottom -= top
        bottom *= y
        if self._channels == 1:
            np.add(top[..., 0], bottom[..., 0], out=out)
        else:
            for channel in range(self._channels):
                np.add(top[..., channel], bottom[..., channel], out=out[..., channel])

    def _locate(self, y: Array, x: Array) -> Positions:
        """Return the index of each coordinate's neighbour at the top left among the padded pixels: (n, H, W).

        The coordinates become the weights of the next row and column: their fractions.
        """
        n = len(y)
        H, W = self._side
        index, column, positions = self._index[:n], self._column[:n], self._positions[:n]
        for weight, side, whole in ((y, H, index), (x, W, column)):
            np.add(weight, 1, out=weight)
            np.clip(weight, self._nearest, side + self._farthest, out=weight)
            np.floor(weight, out=whole)
            np.subtract(weight, whole, out=weight)
        index *= W + 3
        index += column
        index += self._offsets[:n]
        np.copyto(positions, index, casting="unsafe")  # whole numbers, which the floating-point type represents exactly
        return positions

    def _spread(self, weights: Array, out: Array) -> Array:
        """Return the weights (n, H, W) for each lane, (n, H, W, lanes): products with stride 0 take twice the time."""
        if out.shape[-1] == 1:
            return weights[..., np.newaxis]
        for lane in range(out.shape[-1]):
            out[..., lane] = weights
        return out


def _between(pixels: Array, positions: Positions, x: Array, left: Array, right: Array) -> None:
    """Interpolate the pixels at these positions with their right neighbours: left ← left + x (right - left)."""
    # All positions are valid; with "clip", `take` skips the check of the bounds and a copy.
    pixels.take(positions, axis=0, out=left, mode="clip")
    pixels[1:].take(positions, axis=0, out=right, mode="clip")
    right -= left
    right *= x
    left += right
