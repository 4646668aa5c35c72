"""What happens to the gradient between the backward pass and the optimizer: its norm, clipping, weight decay."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from shared.network.arrays import Array


def norm(dP: Array) -> float:
    """Give the Euclidean norm of dP (size,)."""
    squared = float(np.dot(dP, dP))
    if not math.isfinite(squared):  # perhaps only the squares are too large for float32
        return float(np.linalg.norm(dP.astype(np.float64)))
    return math.sqrt(squared)


def clip(dP: Array, length: float, limit: float) -> None:
    """Shorten dP, whose norm is `length`, to the limit: dP ← dP · min(1, limit / ‖dP‖). Pascanu et al. 2013."""
    if length > limit:
        dP *= limit / length


def decay(weights: Iterable[tuple[Array, Array]], rate: float) -> None:
    """Add the derivative of the penalty λ/2 ‖W‖² to that of the loss: dW ← dW + λ W for each pair (W, dW)."""
    for W, dW in weights:
        np.add(dW, rate * W, out=dW)
