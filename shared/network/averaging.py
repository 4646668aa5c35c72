"""The average of the parameters along the training's way: it lies closer to the middle of a minimum than its end."""

from __future__ import annotations

import numpy as np

from shared.network.arrays import Array

BLOCK = 16_384
"""Elements that are averaged at a time, so that the difference stays in the processor's cache."""


class Average:
    """The exponential moving average Ā ← d Ā + (1 - d) P after each step. Polyak and Juditsky 1992, with weights.

    In step t, d is at most (1 + t) / (10 + t): a young average forgets its beginning fast.
    """

    def __init__(self, P: Array, decay: float) -> None:
        self.P = P.copy()
        self._decay = decay
        self._scratch = np.empty(min(BLOCK, len(P)), P.dtype)

    def add(self, P: Array, t: int) -> None:
        """Take in the parameters P (size,) after step t, from 1."""
        share = 1 - min(self._decay, (1 + t) / (10 + t))
        for start in range(0, len(P), BLOCK):
            average = self.P[start : start + BLOCK]
            difference = self._scratch[: len(average)]
            np.subtract(P[start : start + BLOCK], average, out=difference)
            difference *= share
            average += difference
