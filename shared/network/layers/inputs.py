"""Conversion of a caller's images and labels to the network's rows and class indices."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from shared.network.arrays import Array, Images, Labels

Indices: TypeAlias = npt.NDArray[np.intp]


def as_rows(images: Images, image_shape: tuple[int, ...]) -> Images:
    """Return (N, H, W) or (N, H·W) images as (N, H·W) rows, as a view if the memory layout allows it.

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


def scale(rows: np.ndarray[Any, Any], X: Array) -> None:
    """X ← rows as numbers from 0 to 1: bytes times 1/255, floating point unchanged. Both are (N, pixels)."""
    if rows.dtype == np.uint8:
        np.copyto(X, rows)  # NumPy computes a product of mixed types in small pieces, in up to twice the time
        X *= X.dtype.type(1 / 255)
    else:
        np.copyto(X, rows, casting="same_kind")


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
