"""The change from images to vectors, and the dense layer, for chunks of images in the last axis."""

from __future__ import annotations

import math

import numpy as np

from shared.network.arrays import Array, Parameters
from shared.network.convolutions.layer import Float, Layer, Shape
from shared.network.layers import dense


class Flatten(Layer):
    """Images (H, C, W) as vectors in the order (row, column, channel), in which the weights are stored."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self.output = (math.prod(shape),)

    def allocate(self, n: int, dtype: Float, *, training: bool) -> None:
        """Create the arrays for chunks of n images."""
        H, C, W = self._shape
        self._Y = np.empty((H, W, C, n), dtype)
        if training:
            self._dX = np.empty((H, C, W, n), dtype)

    def allocated(self, n: int, *, training: bool) -> int:
        """Return how many numbers the arrays of `allocate` have together."""
        return (1 + training) * math.prod(self._shape) * n

    def forward(self, X: Array, P: Parameters) -> Array:  # noqa: ARG002
        """Return (H, C, W, n) as (H W C, n)."""
        self._Y[...] = X.swapaxes(1, 2)
        return self._Y.reshape(*self.output, -1)

    def propagate(self, dY: Array, P: Parameters) -> Array:  # noqa: ARG002
        """Return (H W C, n) as (H, C, W, n)."""
        self._dX[...] = dY.reshape(self._Y.shape).swapaxes(1, 2)
        return self._dX


class Dense(Layer):
    """Y = Wᵀ X + b for X (in, n): `layers/dense.py` on transposed views."""

    def __init__(self, shape: Shape, width: int) -> None:
        (self._in,) = shape
        self.output = (width,)
        self.parameters = {"weights": (self._in, width), "biases": (width,)}

    def allocate(self, n: int, dtype: Float, *, training: bool) -> None:
        """Create the arrays for chunks of n images."""
        self._Y = np.empty((*self.output, n), dtype)
        if training:
            self._dX = np.empty((self._in, n), dtype)

    def allocated(self, n: int, *, training: bool) -> int:
        """Return how many numbers the arrays of `allocate` have together."""
        return (self.output[0] + training * self._in) * n

    def forward(self, X: Array, P: Parameters) -> Array:
        """Return Y (out, n)."""
        self._X = X
        dense.forward(X.T, P["weights"], P["biases"], self._Y.T)
        return self._Y

    def gradients(self, dY: Array, P: Parameters, dP: Parameters) -> None:  # noqa: ARG002
        """Write dW ← X dYᵀ, db ← the sum of dY over the images."""
        dense.gradients(self._X.T, dY.T, dP["weights"], dP["biases"])

    def propagate(self, dY: Array, P: Parameters) -> Array:
        """Return dX = W dY (in, n)."""
        dense.propagate(dY.T, P["weights"], self._dX.T)
        return self._dX
