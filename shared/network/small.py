"""The sigmoid for vectors so short that a call of NumPy costs more than its arithmetic."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy import add, exp, multiply, negative, reciprocal, subtract

from shared.network.activations import Activation, Sigmoid
from shared.network.arrays import Array


class SmallSigmoid(Activation):
    """`Sigmoid` in a third of its time at 64 elements, for it makes fewer calls and converts no Python number.

    e⁻ᶻ may overflow to infinity here, which makes σ(z) 0 instead of 10⁻³⁸.
    """

    name: ClassVar[str] = Sigmoid.name

    def __init__(self, dtype: np.dtype[np.floating]) -> None:
        self._one = np.ones((), dtype)

    def forward(self, Z: Array, A: Array) -> None:
        """A ← σ(Z)."""
        negative(Z, A)
        exp(A, A)
        add(A, self._one, A)
        reciprocal(A, A)

    def backward(self, Z: Array, A: Array, dA: Array) -> None:  # noqa: ARG002
        """Multiply dA by A (1 - A), as dA A - (dA A) A."""
        multiply(dA, A, dA)
        multiply(dA, A, A)
        subtract(dA, A, dA)
