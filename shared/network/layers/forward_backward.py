"""The forward and backward pass of a batch, in arrays that are allocated once and reused for every batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import TypeAlias

import numpy as np

from shared.network.arrays import Array, Labels
from shared.network.layers import dense
from shared.network.layers.activations import Activation
from shared.network.layers.dropout import Dropout
from shared.network.layers.softmax import logit_gradient, smoothed_logit_gradient, softmax

NARROW_BUFFERS = 4
"""Arrays that are used in turn for a narrowed X. An array that a product has just read is in the caches of several
cores; writes to it take twice as long as writes to an array that was read four products before."""

Layers: TypeAlias = Sequence[tuple[Array, Array]]
"""Weights (in, out) and biases (out,) of each layer from the first to the last, or their derivatives."""


class Forward:
    """The forward pass: from a batch of N rows, which the caller writes into `X` (N, in), to probabilities.

    The caller may replace X by another array of its shape.

    dropout: the probability that a hidden unit is dropped, and the generator of the masks; None uses all units.
    """

    def __init__(
        self,
        layers: Layers,
        activation: Activation,
        rows: int,
        dropout: tuple[float, np.random.Generator] | None = None,
    ) -> None:
        (first, _), (_, last) = layers[0], layers[-1]
        self.layers = layers
        self.activation = activation
        self.X = np.empty((rows, len(first)), first.dtype)
        self._buffers: Iterator[Array] | None = None  # created by the first `narrow`
        # The last layer's Z is stored class by class: softmax along contiguous columns is several times faster.
        self.Z = [np.empty((rows, len(b)), b.dtype, order="F" if b is last else "C") for _, b in layers]
        hidden = self.Z[:-1]
        self.A = [np.empty_like(Z) for Z in hidden] if activation.needs_input else hidden
        self.dropout = [Dropout(dropout[0], A, dropout[1]) for A in self.A] if dropout else []

    def narrow(self, width: int) -> None:
        """Replace X by an array (N, width), for rows whose other columns are all 0; the products skip these."""
        if self._buffers is None:
            self._buffers = cycle([self.X, *(np.empty_like(self.X) for _ in range(NARROW_BUFFERS - 1))])
        X = next(self._buffers)
        self.X = X.reshape(-1)[: len(X) * width].reshape(len(X), width)

    def input(self, layer: int) -> Array:
        """Return the input of the layer with this index in the last run: (N, in)."""
        if layer == 0:
            return self.X
        return self.dropout[layer - 1].A if self.dropout else self.A[layer - 1]

    def run(self) -> Array:
        """Return the probabilities (N, classes) for the rows in X; they are valid until the next run."""
        P = self.logits()
        softmax(P, P)
        return P

    def logits(self) -> Array:
        """Return the softmax's input Z (N, classes) for the rows in X; it is valid until the next run."""
        A = self.X
        for layer, A_next in enumerate(self.A):  # the hidden layers
            W, b = self.layers[layer]
            Z = self.Z[layer]
            dense.forward(A, W, b, Z)
            self.activation.forward(Z, A_next)
            A = self.dropout[layer].forward(A_next) if self.dropout else A_next
        W, b = self.layers[-1]
        Z = self.Z[-1]
        dense.forward(A, W, b, Z)
        return Z


class Propagation:
    """The propagation of derivatives from one layer's Z to that of the layer before, for the last batch of `forward`.

    The chain rule applies layer by layer, from the last to the first; each Z can be passed once for each batch.
    """

    def __init__(self, forward: Forward) -> None:
        self.forward = forward
        self._dA = [np.empty_like(A) for A in forward.A]

    def run(self, layer: int, dZ: Array) -> Array:
        """Return the dZ of the layer before the one with this index, which is at least 1, given that layer's dZ."""
        forward = self.forward
        W, _ = forward.layers[layer]
        dA = self._dA[layer - 1]
        dense.propagate(dZ, W, dA)
        if forward.dropout:
            forward.dropout[layer - 1].backward(dA)
        forward.activation.backward(forward.Z[layer - 1], forward.A[layer - 1], dA)
        return dA

    def to_input(self, dZ: Array, dX: Array) -> None:
        """Compute the derivative with respect to X (N, in) of Σ dZ · Z, for the last layer's Z and a constant dZ."""
        for layer in range(len(self.forward.layers) - 1, 0, -1):
            dZ = self.run(layer, dZ)
        dense.propagate(dZ, self.forward.layers[0][0], dX)


class Backward:
    """The backward pass: from the labels of the last batch of `forward` to the derivatives of its mean loss.

    label_smoothing: the share of each target that is spread uniformly over all classes.
    """

    def __init__(self, forward: Forward, derivatives: Layers, label_smoothing: float = 0.0) -> None:
        self.forward = forward
        self.label_smoothing = label_smoothing
        self.derivatives = derivatives
        self._propagation = Propagation(forward)

    def run(self, y: Labels, done: Callable[[int], None] | None = None) -> None:
        """Write every layer's derivatives, from the last layer to the first, for the labels y (N,).

        done(l) is called when layer l's derivatives are complete, before the error propagates through its weights.
        """
        forward = self.forward
        dZ = forward.Z[-1]  # holds the probabilities; the next call replaces them
        if self.label_smoothing:
            smoothed_logit_gradient(dZ, y, self.label_smoothing)
        else:
            logit_gradient(dZ, y)
        for layer in reversed(range(len(forward.layers))):
            dW, db = self.derivatives[layer]
            dense.gradients(forward.input(layer), dZ, dW, db)
            if done:
                done(layer)
            if layer:
                dZ = self._propagation.run(layer, dZ)
