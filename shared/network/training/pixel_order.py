"""The order of the input columns: the first layer's products can skip columns that are 0 in a whole mini-batch.

A column of X that is 0 adds nothing to X W, and its weights have the derivative 0. If the columns are sorted by the
number of images in which they are active (not 0), a mini-batch's inactive columns are mostly at the end, and X becomes
narrower: for 128 of MNIST's images it has 637 columns on average instead of 784, which saves a fifth of a step's
largest products.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from shared.network.arrays import Images, Parameters
from shared.network.layers.checks import Check, no_check

FIRST = "layer1.weights"
"""The only parameter whose rows correspond to pixels."""

SHARE = 0.05
"""The smallest share of rare pixels, active in less than one image per mini-batch on average, for a sorted order."""

LARGEST = 2**28
"""The largest copy of images in bytes: larger arrays may be mapped from a file, and may not fit into memory."""

BLOCK = 2**24
"""Pixels examined at a time."""

Order = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PixelOrder:
    """The order (pixels,) of an image's pixels, and of the first layer's weights, during a training."""

    order: Order

    @classmethod
    def natural(cls, pixels: int) -> Self:
        """Return the images' own order."""
        return cls(np.arange(pixels))

    @classmethod
    def by_activity(cls, rows: Images, batch_size: int) -> Self:
        """Return the order by the number of rows (N, pixels) with the pixel active; natural if that saves little."""
        pixels = rows.shape[1]
        if rows.nbytes > LARGEST:
            return cls.natural(pixels)
        active = sum(np.count_nonzero(block, axis=0) for block in _blocks(rows))
        rare = np.count_nonzero(active * batch_size < len(rows))
        return cls(np.argsort(-active, kind="stable")) if rare >= SHARE * pixels else cls.natural(pixels)

    @property
    def is_natural(self) -> bool:
        """Whether this is the images' own order."""
        return np.array_equal(self.order, np.arange(len(self.order)))

    def arranged(self, rows: Images) -> Images:
        """Return the rows (N, pixels) in this order: unchanged for the natural order, else as a copy."""
        return rows if self.is_natural else rows.take(self.order, axis=1)

    def to_training(self, parameters: Parameters) -> Parameters:
        """Return the parameters for rows in this order, from those for rows in the natural order."""
        if self.is_natural:
            return parameters
        return parameters | {FIRST: parameters[FIRST][self.order]}

    def from_training(self, parameters: Parameters) -> Parameters:
        """Return the parameters for rows in the natural order, from those for rows in this order."""
        if self.is_natural:
            return parameters
        W = np.empty_like(parameters[FIRST])
        W[self.order] = parameters[FIRST]
        return parameters | {FIRST: W}


def widths(rows: Images, check: Check = no_check) -> npt.NDArray[np.intp]:
    """Return for each row (pixels,) the number of leading pixels that contain all its active ones: (N,).

    check: called for each block of rows.
    """
    pixels = rows.shape[1]
    found = np.empty(len(rows), np.intp)
    start = 0
    for block in _blocks(rows):
        active = block[:, ::-1] != 0
        found[start : start + len(block)] = np.where(active.any(axis=1), pixels - active.argmax(axis=1), 0)
        start += len(block)
        check()
    return found


def _blocks(rows: Images) -> Iterator[Images]:
    """Yield views of the rows (N, pixels) in blocks of at most `BLOCK` pixels, or of one row."""
    count = max(1, BLOCK // rows.shape[1])
    return (rows[start : start + count] for start in range(0, len(rows), count))
