"""Conversion of a caller's images and labels to the network's rows and class indices."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from shared.network.arrays import Array, Images, Labels
from shared.network.layers.checks import Check, no_check

Indices: TypeAlias = npt.NDArray[np.intp]


MEASURED = 4096
"""Images measured at a time."""

COUNTED = 2**22
"""Bytes of images counted at a time: `bincount` converts each to 8 bytes."""

FLAT = 1e-6
"""A smaller standard deviation is that of a constant channel, and rounding."""


def as_rows(images: Images, image_shape: tuple[int, ...]) -> Images:
    """Return images (N, *image_shape) or (N, pixels) as rows (N, pixels), as a view if the memory layout allows it.

    Raises ValueError for another shape, and for values that are neither uint8 nor floating point.
    """
    pixels = math.prod(image_shape)
    if images.shape[1:] not in {tuple(image_shape), (pixels,)}:
        expected = " × ".join(map(str, image_shape))
        raise ValueError(f"images must have {expected} pixels; got an array of shape {images.shape}")
    if images.dtype != np.uint8 and not np.issubdtype(images.dtype, np.floating):
        raise ValueError(f"images must be uint8 or floating point; got {images.dtype}")
    return images.reshape(len(images), pixels)


def as_labels(labels: Labels, samples: int, classes: int) -> Labels:
    """Check that each sample has one label from 0 to classes - 1; return the labels as indices.

    Raises ValueError.
    """
    if labels.shape != (samples,):
        raise ValueError(f"labels must have shape ({samples},); got {labels.shape}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels must be integers; got {labels.dtype}")
    if samples and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(f"labels must lie between 0 and {classes - 1}")
    return labels.astype(np.intp)


def scale(rows: np.ndarray[Any, Any], X: Array, standardization: Standardization | None = None) -> None:
    """X ← rows as numbers from 0 to 1: bytes times 1/255, floating point unchanged. Both are (N, pixels).

    standardization: is applied to these numbers, if given.
    """
    # A copy comes first: NumPy computes a product of mixed types in small pieces, in up to twice the time.
    np.copyto(X, rows, casting="same_kind")
    unit = 1 / 255 if rows.dtype == np.uint8 else 1.0
    if standardization is not None:
        standardization.apply_to_rows(X, unit)
    elif rows.dtype == np.uint8:
        X *= X.dtype.type(unit)


class Standardization(NamedTuple):
    """Each channel's mean and standard deviation over the training images, as numbers from 0 to 1: both (C,).

    A standardized input has mean 0 and deviation 1, so that one learning rate suits images of any brightness and
    contrast (LeCun, Bottou, Orr and Müller 1998, section 4.3).
    """

    mean: Array
    deviation: Array

    @classmethod
    def measure(
        cls,
        rows: Images,
        indices: Indices,
        channels: int,
        dtype: np.dtype[np.floating[Any]],
        check: Check = no_check,
    ) -> Standardization:
        """Measure the rows (N, pixels) at these indices. The result does not depend on their order.

        A channel that is the same everywhere gets the deviation 1.
        """
        sums, squares = np.zeros(channels), np.zeros(channels)
        for start in range(0, len(indices), MEASURED):
            chosen = indices[start : start + MEASURED]
            if rows.dtype == np.uint8:  # exact
                for channel, counts in enumerate(_counts(rows, chosen, channels)):
                    sums[channel] += counts @ np.arange(256) / 255
                    squares[channel] += counts @ np.square(np.arange(256)) / 255**2
            else:
                block = rows[chosen].reshape(-1, channels)
                sums += block.sum(axis=0, dtype=np.float64)
                squares += np.square(block, dtype=np.float64).sum(axis=0)
            check()
        count = len(indices) * (rows.shape[1] // channels)
        mean = sums / count
        deviation = np.sqrt(np.maximum(squares / count - np.square(mean), 0))
        return cls(mean.astype(dtype), np.where(deviation < FLAT, 1, deviation).astype(dtype))

    def apply_to_rows(self, X: Array, unit: float = 1.0) -> None:
        """X (N, pixels) ← (unit · X - mean) / deviation, in two passes over X."""
        places = X.shape[1] // len(self.mean) if len(self.mean) > 1 else 1  # a single number is fast without copies
        X *= np.tile(self._factor(unit), places)
        X -= np.tile(self.mean / self.deviation, places)

    def apply_to_images(self, X: Array, unit: float = 1.0) -> None:
        """X (H, C, W, n) ← (unit · X - mean) / deviation."""
        X *= self._factor(unit)[:, np.newaxis, np.newaxis]
        X -= (self.mean / self.deviation)[:, np.newaxis, np.newaxis]

    def propagate(self, dX: Array) -> None:
        """Convert, in place, derivatives by standardized inputs to those by the inputs: (..., C)."""
        dX /= self.deviation

    def _factor(self, unit: float) -> Array:
        return self.mean.dtype.type(unit) / self.deviation


def _counts(rows: Images, indices: Indices, channels: int) -> npt.NDArray[np.int64]:
    """Return how often each byte occurs in each channel of the rows at these indices: (channels, 256)."""
    counts = np.zeros((channels, 256), np.int64)
    step = max(1, COUNTED // rows.shape[1])
    for start in range(0, len(indices), step):
        block = rows[indices[start : start + step]].reshape(-1, channels)
        for channel in range(channels):
            counts[channel] += np.bincount(block[:, channel], minlength=256)
    return counts


def stratified(labels: Labels, count: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Choose `count` of the images with these labels (N,) at random; return the others and the chosen, both ascending.

    Systematic sampling: of the images, sorted by class and in random order within a class, it chooses every N/count-th.
    So of n images of a class, count · n / N are chosen, rounded up or down.
    """
    samples = len(labels)
    shuffled = rng.permutation(samples)
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    places = (2 * np.arange(count) + 1) * samples // (2 * count) if count else np.arange(0)
    chosen = np.zeros(samples, bool)
    chosen[by_class[places]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
