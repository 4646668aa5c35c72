"""Batch normalization: each channel gets mean 0 and variance 1, then a trained scale and shift.

Ioffe and Szegedy 2015. For the values x of a channel, with the scale γ and the shift β:

    x̂ = (x - μ) / √(σ² + ε),    y = γ x̂ + β

μ and σ² are a channel's mean and variance over all places and images of a chunk ("ghost batch normalization", Hoffer,
Hubara and Soudry 2017): a mini-batch of at most 32 images is one chunk, a larger one is split. Its derivatives, with
means over the same m values of the channel, are

    dβ = Σ dy,    dγ = Σ dy x̂,    dx = γ / √(σ² + ε) · (dy - (dβ + x̂ dγ) / m)

A trained network uses averages of μ and σ² over the training instead, with which the layer is an affine map of each
channel: `folded` multiplies it into the convolution before it.
"""

from __future__ import annotations

import math

import numpy as np

from shared.network.arrays import Array, Parameters
from shared.network.convolutions.layer import Float, Layer, Shape

EPSILON = 1e-5
MOMENTUM = 0.1
"""The weight of a mini-batch's statistics in the running averages."""


class BatchNormalization(Layer):
    """The normalization of images (H, C, W) during training; `scale` is γ and `shift` is β, both (C,)."""

    def __init__(self, shape: Shape) -> None:
        self.output = shape
        channels = (shape[1],)
        self.parameters = {"scale": channels, "shift": channels}
        self.statistics = {"mean": channels, "variance": channels}

    def allocate(self, n: int, dtype: Float, *, training: bool) -> None:  # noqa: ARG002
        """Create the arrays for chunks of n images."""
        H, C, W = self.output
        self._Y = np.empty((H, C, W, n), dtype)
        self._dX = np.empty_like(self._Y)
        self._values = H * W * n  # in each channel
        self._ones = np.ones(W * n, dtype)

    def allocated(self, n: int, *, training: bool) -> int:  # noqa: ARG002
        """Return how many numbers the arrays of `allocate` have together."""
        return 2 * math.prod(self.output) * n + self.output[2] * n

    def forward(self, X: Array, P: Parameters) -> Array:
        """Return Y = γ X̂ + β, with the statistics of this chunk."""
        self._X = X
        self._mean = self._sums(X) / self._values
        np.subtract(X, _places(self._mean), out=self._Y)
        self._variance = self._products(self._Y, self._Y) / self._values
        self._inverse = 1 / np.sqrt(self._variance + X.dtype.type(EPSILON))
        self._Y *= _places(P["scale"] * self._inverse)
        self._Y += _places(P["shift"])
        return self._Y

    def measured(self) -> Parameters:
        """Return the statistics of the last chunk; the variance is the unbiased estimate."""
        return {"mean": self._mean, "variance": self._variance * (self._values / max(self._values - 1, 1))}

    def gradients(self, dY: Array, P: Parameters, dP: Parameters) -> None:  # noqa: ARG002
        """Write dβ ← Σ dy and dγ ← Σ dy x̂ = (Σ dy x - μ Σ dy) / √(σ² + ε)."""
        self._shifts = self._sums(dY)
        self._scales = (self._products(dY, self._X) - self._mean * self._shifts) * self._inverse
        dP["shift"][...], dP["scale"][...] = self._shifts, self._scales

    def propagate(self, dY: Array, P: Parameters) -> Array:
        """Return dX = a dY - b X + c, the formula above with X̂ written as (X - μ) / √(σ² + ε)."""
        a = P["scale"] * self._inverse
        b = a * self._inverse * self._scales / self._values
        c = b * self._mean - a * self._shifts / self._values
        np.multiply(self._X, _places(-b), out=self._dX)
        dY *= _places(a)
        self._dX += dY
        self._dX += _places(c)
        return self._dX

    def _sums(self, X: Array) -> Array:
        """Return each channel's sum: (C,)."""
        H, C, W, n = X.shape
        sums: Array = np.add.reduce(X.reshape(H, C, W * n) @ self._ones, axis=0)  # several times faster than a sum
        return sums

    def _products(self, X: Array, Y: Array) -> Array:
        """Return each channel's sum of X · Y: (C,)."""
        H, C, W, n = X.shape
        rows = X.reshape(H, C, 1, W * n) @ Y.reshape(H, C, W * n, 1)
        sums: Array = np.add.reduce(rows.reshape(H, C), axis=0)
        return sums


def folded(weights: Array, parameters: Parameters) -> tuple[Array, Array]:
    """Return the weights (k, k, C, F) and biases (F,) of the convolution that includes a trained normalization.

    γ (W * x - μ) / √(σ² + ε) + β = (W a) * x + (β - μ a) with a = γ / √(σ² + ε).
    """
    a = parameters["scale"] / np.sqrt(parameters["variance"] + weights.dtype.type(EPSILON))
    return weights * a, parameters["shift"] - parameters["mean"] * a


def _places(channels: Array) -> Array:
    """Return (C,) as (C, 1, 1), to apply to (H, C, W, n)."""
    return channels[:, np.newaxis, np.newaxis]
