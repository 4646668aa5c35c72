"""Resizing by area: each new pixel is the mean of the area that it covers, exactly, rounded half up.

Along one axis that is a matrix product. Old pixel i spans [i m, (i+1) m) and new pixel r spans [r n, (r+1) n) in units
of 1/m of an old pixel, so every overlap is an integer, and the overlaps of one new pixel sum up to n. Sums of integers
are exact in floating point below 2^24 (float32) and 2^53 (float64), whatever their order: all machines give the same.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_SIDE = 65_535  # 255 times that stays below 2^24
BAND = 1 << 16  # pixels that are turned into floats at a time: they stay in the processor's cache

# OpenBLAS takes its working memory at its first large product, and ends the process where there is none. Better now
# than beside an image that takes nearly all that there is.
np.matmul(*np.ones((2, 256, 256), "f4"))


def area_resize(images: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize images (..., h, w), no side above `MAX_SIDE`, to `shape` (H, W)."""
    height, width = images.shape[-2:]
    columns = _sums(images, shape[0], "f4")  # (..., H, w): sums over heights, up to 255 h
    sums = _sums(columns.swapaxes(-1, -2), shape[1], "f8").swapaxes(-1, -2)  # (..., H, W): up to 255 h w
    means: NDArray[np.uint8] = (sums / (height * width) + 0.5).astype(np.uint8)
    return means


def _sums(images: NDArray[Any], m: int, dtype: str) -> NDArray[Any]:
    """Sum up the n rows of images (..., n, k) by their overlaps with m new rows: (..., m, k)."""
    n, k = images.shape[-2:]
    step = max(1, m * BAND // (n * max(k, m)))
    if step >= m:
        whole: NDArray[Any] = _overlaps(n, m, 0, m, dtype) @ images.astype(dtype)
        return whole
    sums = np.empty((*images.shape[:-2], m, k), dtype)
    for first in range(0, m, step):
        last = min(first + step, m)
        rows = slice(*_touched(n, m, first, last))
        np.matmul(_overlaps(n, m, first, last, dtype), images[..., rows, :].astype(dtype), out=sums[..., first:last, :])
    return sums


def _touched(n: int, m: int, first: int, last: int) -> tuple[int, int]:
    """The old rows, from and to, that the new rows `first` to `last` touch."""
    return first * n // m, -(-last * n // m)


@lru_cache(maxsize=128)  # of BAND numbers at most, each
def _overlaps(n: int, m: int, first: int, last: int, dtype: str) -> NDArray[Any]:
    """The overlaps of the new rows `first` to `last` with the old rows that they touch."""
    old = np.arange(*_touched(n, m, first, last)) * m
    new = np.arange(first, last)[:, np.newaxis] * n
    overlaps: NDArray[Any] = np.maximum(np.minimum(old + m, new + n) - np.maximum(old, new), 0).astype(dtype)
    return overlaps
