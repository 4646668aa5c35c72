"""Dropout: each training step sets random units of the hidden layers to 0, so that they do not co-adapt."""

from __future__ import annotations

import numpy as np

from shared.network.arrays import Array


class Dropout:
    """Sets each element of A (N, width) to 0 with probability p; Srivastava et al. 2014, in the inverted form.

    The other elements are divided by 1 - p, which keeps the expected sum, so inference uses all units unscaled.
    """

    def __init__(self, p: float, A: Array, rng: np.random.Generator) -> None:
        self.A = np.empty_like(A)
        """The input of the next layer in place of A. A itself is kept for the activation's derivative."""

        self._mask = np.empty_like(A)
        self._keep = np.empty(A.shape, bool)
        self._p = p
        self.rng = rng
        """Draws the next mask."""

    def forward(self, A: Array) -> Array:
        """Draw a new mask of 0 and 1 / (1 - p), and return A times the mask, which is valid until the next call."""
        self.rng.random(out=self._mask, dtype=self._mask.dtype)
        np.greater_equal(self._mask, self._p, out=self._keep)
        np.multiply(self._keep, self._mask.dtype.type(1 / (1 - self._p)), out=self._mask)
        np.multiply(A, self._mask, out=self.A)
        return self.A

    def backward(self, dA: Array) -> None:
        """Convert, in place, the derivatives with respect to the result of `forward` to those with respect to A."""
        dA *= self._mask
