"""Softmax probabilities, and their cross-entropy with the labels."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from shared.network.arrays import Array, Labels

EPSILON = 1e-10
"""Probabilities are clipped to [ε, 1-ε], so that every logarithm is finite. In float32, 1-ε rounds to 1; only the
lower bound is needed."""


def softmax(Z: Array, P: Array) -> None:
    """P ← e^Z / Σ e^Z in each row, clipped to [ε, 1-ε]; P may be Z. Both are (N, classes).

    The maximum is subtracted first; it cancels in the quotient and keeps e^Z at most 1. Arrays that are stored class by
    class take a fraction of the time, as NumPy processes few long rows faster than many short ones.
    """
    T = P.T  # (classes, N)
    np.subtract(Z.T, np.maximum.reduce(Z.T, axis=0), out=T)
    np.exp(T, out=T)
    T /= np.add.reduce(T, axis=0)
    np.maximum(T, EPSILON, out=T)
    if T.dtype != np.float32:
        np.minimum(T, 1 - EPSILON, out=T)


def cross_entropy(P: Array, y: Labels) -> float:
    """Return Σ -log P[i, y_i] in nats over the batch: P is (N, classes), y is (N,)."""
    return 0.0 - float(np.add.reduce(np.log(P[_rows(len(y)), y]), dtype=np.float64))  # never -0.0


def logit_gradient(P: Array, y: Labels, count: int | None = None) -> None:
    """P ← (P - onehot(y)) / N: the derivative of the mean cross-entropy with respect to the softmax's input Z.

    count: the N of the mean, if P is only a part of a mini-batch.
    """
    P[_rows(len(y)), y] -= 1
    P /= count or len(y)


@lru_cache(maxsize=16)
def _rows(count: int) -> npt.NDArray[np.intp]:
    rows = np.arange(count)
    rows.flags.writeable = False
    return rows


def smoothed_logit_gradient(P: Array, y: Labels, smoothing: float, count: int | None = None) -> None:
    """P ← (P - T) / N for the targets T = (1 - ε) onehot(y) + ε / classes, with ε = `smoothing`.

    This is the derivative of the mean of -Σ T log P with respect to the softmax's input Z. P: (N, classes), y: (N,).
    count: as in `logit_gradient`.
    """
    P[np.arange(len(y)), y] -= 1 - smoothing
    P -= smoothing / P.shape[1]
    P /= count or len(y)
