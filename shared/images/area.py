"""Resizing by area: each new pixel is the exact mean of the area that it covers, rounded half up.

Along one axis this is a matrix product. Old pixel i spans [i m, (i+1) m) and new pixel r spans [r n, (r+1) n) in units
of 1/m of an old pixel, so every overlap is an integer, and the overlaps of one new pixel sum up to n. Sums of integers
are exact in floating point below 2^24 (float32) and 2^53 (float64) in any order, so all machines give the same result.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_SIDE = 65_535  # 255 times this is below 2^24
BAND = 1 << 16  # pixels converted to floats at a time; they fit into the processor's cache

# OpenBLAS allocates its working memory at the first large product, and ends the process if it gets none. This product
# allocates it at the import, before a large image takes most of the memory.
np.matmul(*np.ones((2, 256, 256), "f4"))


def area_resize(images: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return images resized to `shape`, no side above `MAX_SIDE`; each channel is resized by itself.

    (..., h, w) become (..., H, W) for `shape` (H, W); (..., h, w, 3) become (..., H, W, 3) for (H, W, 3).
    """
    if len(shape) > 2:
        return _resize_channels(images, shape)
    height, width = images.shape[-2:]
    columns = _sums(images, shape[0], "f4")  # (..., H, w): sums over heights, up to 255 h
    sums = _sums(columns.swapaxes(-1, -2), shape[1], "f8").swapaxes(-1, -2)  # (..., H, W): up to 255 h w
    means: NDArray[np.uint8] = (sums / (height * width) + 0.5).astype(np.uint8)
    return means


def _resize_channels(images: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Resize images (..., h, w, c) to (..., H, W, c): the same sums, with the channels beside the other axis."""
    *before, height, width, channels = images.shape
    H, W = shape[:2]
    rows = np.ascontiguousarray(images).reshape(*before, height, width * channels)
    columns = _sums(rows, H, "f4").reshape(*before, H, width, channels)  # sums over heights, up to 255 h
    columns = columns.swapaxes(-3, -2).reshape(*before, width, H * channels)
    sums = _sums(columns, W, "f8").reshape(*before, W, H, channels).swapaxes(-3, -2)  # up to 255 h w
    means: NDArray[np.uint8] = (sums / (height * width) + 0.5).astype(np.uint8)
    return means


def _sums(images: NDArray[Any], m: int, dtype: str) -> NDArray[Any]:
    """Sum the n rows of images (..., n, k), weighted by their overlaps with m new rows: (..., m, k)."""
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
    """Return the start and end of the old rows that overlap the new rows `first` to `last`; both ends are exclusive."""
    return first * n // m, -(-last * n // m)


@lru_cache(maxsize=128)  # each entry has at most BAND numbers
def _overlaps(n: int, m: int, first: int, last: int, dtype: str) -> NDArray[Any]:
    """Return the overlaps of the new rows `first` to `last` (exclusive) with the old rows."""
    old = np.arange(*_touched(n, m, first, last)) * m
    new = np.arange(first, last)[:, np.newaxis] * n
    overlaps: NDArray[Any] = np.maximum(np.minimum(old + m, new + n) - np.maximum(old, new), 0).astype(dtype)
    return overlaps
