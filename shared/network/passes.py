"""A batch's way through the network and back, in arrays that are allocated once and used for every batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from shared.network import dense
from shared.network.activations import Activation
from shared.network.arrays import Array, Labels
from shared.network.softmax import logit_gradient, softmax

Layers: TypeAlias = Sequence[tuple[Array, Array]]
"""Weights (in, out) and biases (out,) of each layer from the first to the last, or their derivatives."""


class Forward:
    """From a batch of N rows, which the caller writes into `X` (N, in), to probabilities."""

    def __init__(self, layers: Layers, activation: Activation, rows: int) -> None:
        first, _ = layers[0]
        self.layers = layers
        self.activation = activation
        self.X = np.empty((rows, first.shape[0]), first.dtype)
        self.Z = [np.empty((rows, len(b)), b.dtype) for _, b in layers]
        hidden = self.Z[:-1]
        self.A = [np.empty_like(Z) for Z in hidden] if activation.needs_input else hidden

    def run(self) -> Array:
        """Give the probabilities (N, classes) for the rows in X. They last until the next run."""
        A = self.X
        for (W, b), Z, A_next in zip(self.layers, self.Z, self.A, strict=False):  # the hidden layers
            dense.forward(A, W, b, Z)
            self.activation.forward(Z, A_next)
            A = A_next
        W, b = self.layers[-1]
        P = self.Z[-1]
        dense.forward(A, W, b, P)
        softmax(P, P)
        return P


class Backward:
    """From the labels of the batch that `forward` ran last to the derivatives of its mean loss."""

    def __init__(self, forward: Forward, derivatives: Layers) -> None:
        self.forward = forward
        self.derivatives = derivatives
        self.dA = [np.empty_like(A) for A in forward.A]

    def run(self, y: Labels, done: Callable[[int], None] | None = None) -> None:
        """Write every layer's derivatives, from the last layer to the first, for the labels y (N,).

        done(l) is called once layer l's derivatives stand, before the error passes on through its weights.
        """
        forward = self.forward
        dZ = forward.Z[-1]  # the probabilities, until the next line
        logit_gradient(dZ, y)
        for layer in reversed(range(len(forward.layers))):
            A = forward.A[layer - 1] if layer else forward.X
            dW, db = self.derivatives[layer]
            dense.gradients(A, dZ, dW, db)
            if done:
                done(layer)
            if layer:
                W, _ = forward.layers[layer]
                dA = self.dA[layer - 1]
                dense.propagate(dZ, W, dA)
                forward.activation.backward(forward.Z[layer - 1], A, dA)
                dZ = dA
