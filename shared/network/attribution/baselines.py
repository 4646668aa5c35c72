"""Baselines: the image without information that an attribution compares an image with.

No baseline is neutral for every image: a black one hides what is black in the image (Sturmfels, Lundberg and Lee 2020,
"Visualizing the impact of feature attribution baselines", Distill). So there are several.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np

from shared.network.arrays import Array

Baseline: TypeAlias = Literal["black", "mean", "blurred"]
BASELINES: tuple[Baseline, ...] = get_args(Baseline)

BLUR = 1 / 7
"""The standard deviation of the blur, as a share of the image's side: 4 pixels of 28."""


def black(image: Array) -> Array:
    """Return an image of zeros."""
    return np.zeros_like(image)


def mean(image: Array, colour: Array) -> Array:
    """Return an image (H, W) or (H, W, C) of one colour (C,), such as the mean of the training images."""
    return np.broadcast_to(colour if image.ndim == 3 else colour[0], image.shape).astype(image.dtype)


def blurred(image: Array) -> Array:
    """Return the image (H, W) or (H, W, C) after a Gaussian blur, which leaves colours and removes shapes."""
    rows, columns = (_blur(side).astype(image.dtype) for side in image.shape[:2])
    result: Array = np.einsum("ih,hw...,jw->ij...", rows, image, columns, optimize=True)
    return result


def _blur(side: int) -> Array:
    """Return the matrix (side, side) that blurs a column of pixels; each row sums to 1, also at the border."""
    places = np.arange(side)
    distances = (places[:, np.newaxis] - places) / max(1.0, BLUR * side)
    weights = np.exp(-np.square(distances) / 2)
    normalized: Array = weights / weights.sum(axis=1, keepdims=True)
    return normalized
