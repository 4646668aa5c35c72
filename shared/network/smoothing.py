"""Label smoothing: the network aims at a little less than certainty, Szegedy et al. 2016, section 7."""

from __future__ import annotations

import numpy as np

from shared.network.arrays import Array, Labels


def logit_gradient(P: Array, y: Labels, smoothing: float) -> None:
    """P ← (P - T) / N for the targets T = (1 - ε) onehot(y) + ε / classes, ε being the smoothing.

    The derivative of the mean of -Σ T log P by the softmax's input Z; P is (N, classes), y is (N,).
    """
    P[np.arange(len(y)), y] -= 1 - smoothing
    P -= smoothing / P.shape[1]
    P /= len(y)
