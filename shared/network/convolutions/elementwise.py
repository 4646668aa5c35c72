"""The layers that work element by element: biases, activations and dropout."""

from __future__ import annotations

import math

import numpy as np

from shared.network.arrays import Array, Parameters
from shared.network.convolutions.layer import Float, Layer, Shape
from shared.network.layers import dropout
from shared.network.layers.activations import Activation


class Biases(Layer):
    """Y = X + b, one bias b (C,) for each channel of images (H, C, W), in place."""

    def __init__(self, shape: Shape) -> None:
        self.output = shape
        self.parameters = {"biases": (shape[1],)}

    def allocate(self, n: int, dtype: Float, *, training: bool) -> None:  # noqa: ARG002
        """Create the vector that sums a row by a product."""
        self._ones = np.ones(self.output[2] * n, dtype)

    def allocated(self, n: int, *, training: bool) -> int:  # noqa: ARG002
        """Return how many numbers the arrays of `allocate` have together."""
        return self.output[2] * n

    def forward(self, X: Array, P: Parameters) -> Array:
        """Return X + b."""
        X += P["biases"][:, np.newaxis, np.newaxis]
        return X

    def gradients(self, dY: Array, P: Parameters, dP: Parameters) -> None:  # noqa: ARG002
        """Write db ← the sum of dY over places and images."""
        H, C, W, n = dY.shape
        np.add.reduce(dY.reshape(H, C, W * n) @ self._ones, axis=0, out=dP["biases"])

    def propagate(self, dY: Array, P: Parameters) -> Array:  # noqa: ARG002
        """Return dY: the derivative of a sum is 1."""
        return dY


class Activations(Layer):
    """A = f(Z) element by element, in place if f allows it."""

    def __init__(self, shape: Shape, function: Activation) -> None:
        self.output = shape
        self._function = function

    def allocate(self, n: int, dtype: Float, *, training: bool) -> None:  # noqa: ARG002
        """Create an array for the result, for a function whose derivative needs its input."""
        self._A = np.empty((*self.output, n), dtype) if self._function.needs_input else None
        self.last: tuple[Activation, Array, Array]  # f, Z and A of the last call

    def allocated(self, n: int, *, training: bool) -> int:  # noqa: ARG002
        """Return how many numbers the arrays of `allocate` have together."""
        return math.prod(self.output) * n if self._function.needs_input else 0

    def forward(self, X: Array, P: Parameters) -> Array:  # noqa: ARG002
        """Return A."""
        A = X if self._A is None else self._A
        self._function.forward(X, A)
        self.last = self._function, X, A
        return A

    def propagate(self, dY: Array, P: Parameters) -> Array:  # noqa: ARG002
        """Return dY · f'(Z); overwrites A."""
        _, Z, A = self.last
        self._function.backward(Z, A, dY)
        return dY


class Dropout(Layer):
    """Dropout of the units (features, n), which `layers/dropout.py` explains."""

    def __init__(self, shape: Shape, p: float) -> None:
        self.output = shape
        self._p = p
        self.rng = np.random.default_rng(0)
        """The generator of the masks, which the training replaces for each chunk."""

    def allocate(self, n: int, dtype: Float, *, training: bool) -> None:  # noqa: ARG002
        """Create the mask."""
        self._dropout = dropout.Dropout(self._p, np.empty((*self.output, n), dtype), self.rng)

    def allocated(self, n: int, *, training: bool) -> int:  # noqa: ARG002
        """Return how many numbers the arrays of `allocate` have together; four elements of a mask count as one."""
        return -(-9 * math.prod(self.output) * n // 4)

    def forward(self, X: Array, P: Parameters) -> Array:  # noqa: ARG002
        """Return X with a new mask."""
        self._dropout.rng = self.rng
        return self._dropout.forward(X)

    def propagate(self, dY: Array, P: Parameters) -> Array:  # noqa: ARG002
        """Return dY times the mask."""
        self._dropout.backward(dY)
        return dY
