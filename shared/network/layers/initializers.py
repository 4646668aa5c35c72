"""The initial values of a layer's weights and biases."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from shared.network.arrays import Array

Initializer: TypeAlias = Callable[[np.random.Generator, Array, Array], None]
"""Fills W (in, out) and b (out,) from the generator, in the arrays' own precision."""


def uniform(rng: np.random.Generator, W: Array, b: Array) -> None:
    """Draw weights and biases uniformly from [-0.5, 0.5), as the article does."""
    for array in (W, b):
        rng.random(out=array, dtype=array.dtype)
        np.subtract(array, 0.5, out=array)


def glorot(rng: np.random.Generator, W: Array, b: Array) -> None:
    """Draw W from [-r, r) with r = √(6 / (in + out)); b is 0. Glorot and Bengio 2010, equation 16.

    This keeps the variance of signals and gradients about constant through layers that are nearly linear around zero:
    sigmoid, tanh, identity.
    """
    limit = math.sqrt(6 / sum(W.shape))
    rng.random(out=W, dtype=W.dtype)
    W -= 0.5
    W *= 2 * limit
    b[:] = 0


def he(rng: np.random.Generator, W: Array, b: Array) -> None:
    """Draw W from the normal distribution with variance 2 / in; b is 0. He et al. 2015, equation 10.

    The factor 2 compensates for the half of the signal that ReLU and similar functions set to 0.
    """
    rng.standard_normal(out=W, dtype=W.dtype)
    W *= math.sqrt(2 / W.shape[0])
    b[:] = 0


INITIALIZERS: dict[str, Initializer] = {"uniform": uniform, "glorot": glorot, "he": he}
