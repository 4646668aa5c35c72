"""Images and labels as a caller has them, turned into rows that the network computes with."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from shared.network.arrays import Array, Images, Labels

Indices: TypeAlias = npt.NDArray[np.intp]


def as_rows(images: Images, image_shape: tuple[int, ...]) -> Images:
    """View (N, H, W) or (N, H·W) images as (N, H·W) rows, without a copy where the memory allows it.

    Raises ValueError for another shape, and for values that are neither uint8 nor floating point.
    """
    pixels = math.prod(image_shape)
    if images.shape[1:] not in {tuple(image_shape), (pixels,)}:
        expected = " × ".join(map(str, image_shape))
        raise ValueError(f"images of {expected} pixels are expected, not an array of shape {images.shape}")
    if images.dtype != np.uint8 and not np.issubdtype(images.dtype, np.floating):
        raise ValueError(f"images must be uint8 or floating point, not {images.dtype}")
    return images.reshape(len(images), pixels)


def as_labels(labels: Labels, samples: int, classes: int) -> Labels:
    """Check that there is one label from 0 to classes - 1 for each sample; return them as indices.

    Raises ValueError.
    """
    if labels.shape != (samples,):
        raise ValueError(f"{samples} labels are expected, not an array of shape {labels.shape}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels must be integers, not {labels.dtype}")
    if samples and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(f"labels must lie between 0 and {classes - 1}")
    return labels.astype(np.intp)


def scale(rows: np.ndarray[Any, Any], X: Array) -> None:
    """X ← rows as numbers from 0 to 1: bytes times 1/255, floating point as it is. Both are (N, pixels)."""
    if rows.dtype == np.uint8:
        np.copyto(X, rows)  # a product of mixed types would be computed in small pieces, at up to twice the time
        X *= X.dtype.type(1 / 255)
    else:
        np.copyto(X, rows, casting="same_kind")


def stratified(labels: Labels, count: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Choose `count` of the images with these labels (N,) at random; give the others and the chosen, both ascending.

    From the images in random order, but class after class, every N/count-th is taken: systematic sampling. So of
    n images of a class, count · n / N are chosen, rounded up or down.
    """
    samples = len(labels)
    shuffled = rng.permutation(samples)
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    places = (2 * np.arange(count) + 1) * samples // (2 * count) if count else np.arange(0)
    chosen = np.zeros(samples, bool)
    chosen[by_class[places]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
