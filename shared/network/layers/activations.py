"""Activation functions and their derivatives; all work in place, and none overflows."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from shared.network.arrays import Array


class Activation(ABC):
    """An elementwise function f with A = f(Z); every array here is (N, width)."""

    name: ClassVar[str]

    needs_input: ClassVar[bool] = False
    """Whether `backward` needs Z. If f' can be computed from A alone, A may overwrite Z."""

    @abstractmethod
    def forward(self, Z: Array, A: Array) -> None:
        """A ← f(Z). A may be Z itself unless the function needs its input."""

    @abstractmethod
    def backward(self, Z: Array, A: Array, dA: Array) -> None:
        """Convert dA to dZ: dA ← dA · f'(Z). Overwrites A."""


class Sigmoid(Activation):
    """σ(z) = 1 / (1 + e⁻ᶻ), with σ' = σ (1 - σ)."""

    name = "sigmoid"

    def forward(self, Z: Array, A: Array) -> None:
        """A ← σ(Z)."""
        # Below -87, e⁻ᶻ nears float32's largest number; σ(-87) ≈ 2e-38 is the result for all lower inputs.
        np.maximum(Z, -87, out=A)
        np.negative(A, out=A)
        np.exp(A, out=A)
        A += 1
        np.reciprocal(A, out=A)

    def backward(self, Z: Array, A: Array, dA: Array) -> None:  # noqa: ARG002
        """Multiply dA by A (1 - A)."""
        dA *= A
        np.subtract(1, A, out=A)
        dA *= A


class Tanh(Activation):
    """tanh(z), with tanh' = 1 - tanh²."""

    name = "tanh"

    def forward(self, Z: Array, A: Array) -> None:
        """A ← tanh(Z)."""
        np.tanh(Z, out=A)

    def backward(self, Z: Array, A: Array, dA: Array) -> None:  # noqa: ARG002
        """Multiply dA by 1 - A²."""
        np.square(A, out=A)
        np.subtract(1, A, out=A)
        dA *= A


class ReLU(Activation):
    """max(z, 0), with derivative 1 for z > 0 and 0 elsewhere (Nair and Hinton 2010)."""

    name = "relu"

    def forward(self, Z: Array, A: Array) -> None:
        """A ← max(Z, 0)."""
        np.maximum(Z, _zeros(Z.shape[-1], Z.dtype), out=A)  # a vector of zeros takes half the time of a scalar 0

    def backward(self, Z: Array, A: Array, dA: Array) -> None:  # noqa: ARG002
        """Keep dA where A > 0, and 0 elsewhere."""
        np.multiply(dA, A > 0, out=dA)


class LeakyReLU(Activation):
    """max(z, αz) with α = 0.01, so that a unit below zero still learns (Maas, Hannun and Ng 2013)."""

    name = "leaky_relu"
    needs_input = True
    slope: ClassVar[float] = 0.01

    def forward(self, Z: Array, A: Array) -> None:
        """A ← max(Z, αZ)."""
        np.multiply(Z, self.slope, out=A)
        np.maximum(Z, A, out=A)

    def backward(self, Z: Array, A: Array, dA: Array) -> None:
        """Keep dA where Z > 0, and α dA elsewhere."""
        np.multiply(dA, self.slope, out=A)
        np.copyto(dA, A, where=Z <= 0)


class GELU(Activation):
    """The Gaussian error linear unit in its tanh form, Hendrycks and Gimpel 2016, section 2.

    gelu(z) = z (1 + t) / 2 with t = tanh(√(2/π) (z + 0.044715 z³))
    gelu'(z) = (1 + t) / 2 + z (1 - t²) / 2 · √(2/π) (1 + 3 · 0.044715 z²)
    """

    name = "gelu"
    needs_input = True
    scale: ClassVar[float] = math.sqrt(2 / math.pi)
    cubic: ClassVar[float] = 0.044715
    saturation: ClassVar[float] = 20.0  # from here t is ±1 even in float64, and z³ is far from overflow

    def forward(self, Z: Array, A: Array) -> None:
        """A ← gelu(Z)."""
        np.maximum(Z, -self.saturation, out=A)
        np.minimum(A, self.saturation, out=A)
        A *= self.scale * (1 + self.cubic * np.square(A))
        np.tanh(A, out=A)
        A += 1
        A *= 0.5
        A *= Z

    def backward(self, Z: Array, A: Array, dA: Array) -> None:
        """Multiply dA by gelu'(Z)."""
        np.maximum(Z, -self.saturation, out=A)
        np.minimum(A, self.saturation, out=A)
        square = np.square(A)
        t = np.tanh(self.scale * A * (1 + self.cubic * square))
        A *= 0.5 * (1 - np.square(t)) * self.scale * (1 + 3 * self.cubic * square)
        A += 0.5 * (1 + t)
        dA *= A


class Identity(Activation):
    """f(z) = z, which keeps a layer linear."""

    name = "identity"

    def forward(self, Z: Array, A: Array) -> None:
        """A ← Z."""
        if A is not Z:
            np.copyto(A, Z)

    def backward(self, Z: Array, A: Array, dA: Array) -> None:
        """Keep dA: f' = 1."""


@lru_cache(maxsize=16)
def _zeros(width: int, dtype: np.dtype[np.floating[Any]]) -> Array:
    zeros = np.zeros(width, dtype)
    zeros.flags.writeable = False
    return zeros


ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation for activation in (Sigmoid(), Tanh(), ReLU(), LeakyReLU(), GELU(), Identity())
}
