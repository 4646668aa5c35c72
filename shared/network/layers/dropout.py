"""Dropout: in training each unit of a hidden layer is left out at random, so that none can rely on another."""

from __future__ import annotations

import numpy as np

from shared.network.arrays import Array


class Dropout:
    """Drops each element of A (N, width) with probability p; Srivastava et al. 2014, in the inverted form.

    What stays is divided by 1 - p, which keeps the expected sum: the network that answers uses all its units as
    they are.
    """

    def __init__(self, p: float, A: Array, rng: np.random.Generator) -> None:
        self.A = np.empty_like(A)
        """What the next layer sees in place of A. A itself stays as it is: the activation's derivative needs it."""

        self._mask = np.empty_like(A)
        self._keep = np.empty(A.shape, bool)
        self._p = p
        self._rng = rng

    def forward(self, A: Array) -> Array:
        """Draw a new mask, of 0 and 1 / (1 - p), and give A times it. It lasts until the next call."""
        self._rng.random(out=self._mask, dtype=self._mask.dtype)
        np.greater_equal(self._mask, self._p, out=self._keep)
        np.multiply(self._keep, self._mask.dtype.type(1 / (1 - self._p)), out=self._mask)
        np.multiply(A, self._mask, out=self.A)
        return self.A

    def backward(self, dA: Array) -> None:
        """Turn the derivatives by what `forward` gave into those by A, in place."""
        dA *= self._mask
