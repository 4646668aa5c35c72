"""The output and its loss: softmax probabilities, and the cross-entropy between them and the labels."""

from __future__ import annotations

import numpy as np

from shared.network.arrays import Array, Labels

EPSILON = 1e-10
"""Probabilities are kept in [ε, 1-ε], so that no logarithm is infinite. In float32, 1-ε is 1 itself, which
does no harm: the lower bound is the one that matters."""


def softmax(Z: Array, P: Array) -> None:
    """P ← e^Z / Σ e^Z in each row, clipped to [ε, 1-ε]; P may be Z. Both are (N, classes).

    The maximum is subtracted first, which cancels in the quotient and keeps e^Z at most 1.
    """
    T = Z.T.copy()  # (classes, N): what is taken along short rows costs several times as much
    T -= np.maximum.reduce(T, axis=0)
    np.exp(T, out=T)
    T /= np.add.reduce(T, axis=0)
    np.maximum(T, EPSILON, out=T)
    np.minimum(T, 1 - EPSILON, out=T)
    P[:] = T.T


def cross_entropy(P: Array, y: Labels) -> float:
    """Σ -log P[i, y_i] in nats over the batch: P is (N, classes), y is (N,)."""
    return -float(np.log(P[np.arange(len(y)), y]).sum(dtype=np.float64))


def logit_gradient(P: Array, y: Labels) -> None:
    """P ← (P - onehot(y)) / N: the derivative of the mean cross-entropy by the softmax's input Z."""
    P[np.arange(len(y)), y] -= 1
    P /= len(y)
