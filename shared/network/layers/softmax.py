"""The output and its loss: softmax probabilities, and the cross-entropy between them and the labels."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from shared.network.arrays import Array, Labels

EPSILON = 1e-10
"""Probabilities are kept in [ε, 1-ε], so that no logarithm is infinite. In float32, 1-ε is 1 itself, which
does no harm: the lower bound is the one that matters."""


def softmax(Z: Array, P: Array) -> None:
    """P ← e^Z / Σ e^Z in each row, clipped to [ε, 1-ε]; P may be Z. Both are (N, classes).

    The maximum is subtracted first, which cancels in the quotient and keeps e^Z at most 1. Arrays that lie class by
    class take a fraction of the time: for NumPy to go along many short rows costs a multiple of a few long ones.
    """
    T = P.T  # (classes, N)
    np.subtract(Z.T, np.maximum.reduce(Z.T, axis=0), out=T)
    np.exp(T, out=T)
    T /= np.add.reduce(T, axis=0)
    np.maximum(T, EPSILON, out=T)
    if T.dtype != np.float32:
        np.minimum(T, 1 - EPSILON, out=T)


def cross_entropy(P: Array, y: Labels) -> float:
    """Σ -log P[i, y_i] in nats over the batch: P is (N, classes), y is (N,)."""
    return -float(np.add.reduce(np.log(P[_rows(len(y)), y]), dtype=np.float64))


def logit_gradient(P: Array, y: Labels) -> None:
    """P ← (P - onehot(y)) / N: the derivative of the mean cross-entropy by the softmax's input Z."""
    P[_rows(len(y)), y] -= 1
    P /= len(y)


@lru_cache(maxsize=16)
def _rows(count: int) -> npt.NDArray[np.intp]:
    rows = np.arange(count)
    rows.flags.writeable = False
    return rows


def smoothed_logit_gradient(P: Array, y: Labels, smoothing: float) -> None:
    """P ← (P - T) / N for the targets T = (1 - ε) onehot(y) + ε / classes, ε being the smoothing.

    The derivative of the mean of -Σ T log P by the softmax's input Z; P is (N, classes), y is (N,).
    """
    P[np.arange(len(y)), y] -= 1 - smoothing
    P -= smoothing / P.shape[1]
    P /= len(y)
