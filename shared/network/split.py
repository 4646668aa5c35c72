"""The validation split: a share of the training images that is kept apart, with each class in its proportion."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shared.network.arrays import Labels

Indices: TypeAlias = npt.NDArray[np.intp]


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
