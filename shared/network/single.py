"""The step for training image by image with plain SGD: no work is spent on pixels that are zero.

Most pixels of a drawn character are zero, and such a pixel neither adds to the first layer's output nor moves its
weights, by far the most of all: a step reads and writes only the rows of the others, its ink. At this size each call of
NumPy costs more than its arithmetic, so vectors take the place of one-row matrices.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from shared.network.arrays import Array, Images, Labels, Parameters
from shared.network.network import Network
from shared.network.softmax import EPSILON
from shared.network.update import Update


class SingleStep:
    """A `Step` for mini-batches of one image and the optimizer "sgd"; equal to it but for rounding."""

    gradient_norm = None
    lookahead = 0

    def __init__(self, network: Network, parameters: Parameters, rows: Images, y: Labels) -> None:
        self.P = network.layout.pack(parameters)
        self.update = Update(network.configuration.optimizer, self.P, np.empty_like(self.P), [])
        self._rows = rows
        self._y = y.tolist()
        self._layerwise = network.configuration.update_order == "layerwise"
        self._activation = network.activation
        self._scale = self.P.dtype.type(1 / 255 if rows.dtype == np.uint8 else 1)
        self._ones = np.ones(network.classes, self.P.dtype)
        self._lowest, self._highest = (np.array(bound, self.P.dtype) for bound in (EPSILON, 1 - EPSILON))
        (self._W, self._b), *self._layers = network.layers(network.layout.views(self.P))
        self._Z = [np.empty_like(b) for b in (self._b, *(b for _, b in self._layers))]
        self._A = [np.empty_like(Z) if self._activation.needs_input else Z for Z in self._Z[:-1]]
        self._dA = [np.empty_like(Z) for Z in self._Z[:-1]]
        self._dW = [np.empty_like(W) for W, _ in self._layers]

    def run(self, batch: Labels, factor: float, following: Labels | None = None) -> tuple[float, int]:  # noqa: ARG002
        """Train on the one image at this index; give its loss, and whether it was right, both from before the step."""
        self.update.begin_step(factor)
        with np.errstate(all="ignore"):
            return self._run(int(batch[0]), self.update.rate)

    def settle(self) -> None:
        """Bring P up to the last step, as it always is."""

    def state(self) -> dict[str, np.ndarray[Any, Any]]:
        """Give what a step needs to go on besides P and the optimizer's state: nothing."""
        return {}

    def restore(self, state: dict[str, np.ndarray[Any, Any]]) -> None:
        """Go on where `state` was taken."""

    def _run(self, index: int, rate: float) -> tuple[float, int]:
        label = self._y[index]
        row = self._rows[index]
        (ink,) = row.nonzero()
        x = row[ink].astype(self.P.dtype)  # (ink,)
        x *= self._scale
        W_ink = self._W.take(ink, axis=0)  # (ink, out)

        Z = self._forward(x, W_ink)
        answer = int(Z.argmax())
        P = self._softmax(Z, answer)
        p = float(P[label])
        P[label] -= 1
        delta = self._backward(P, rate)  # (out,) of the first layer
        delta *= rate
        W_ink -= np.multiply(x[:, np.newaxis], delta)  # (ink, 1) · (out,)
        self._W[ink] = W_ink
        self._b -= delta
        return -math.log(p), int(answer == label)

    def _forward(self, x: Array, W_ink: Array) -> Array:
        """Give the input of the softmax (classes,)."""
        Z = self._Z[0]
        np.matmul(x, W_ink, out=Z)  # (ink,) @ (ink, out)
        Z += self._b
        for layer, (W, b) in enumerate(self._layers):
            A = self._A[layer]
            self._activation.forward(Z, A)
            Z = self._Z[layer + 1]
            np.matmul(A, W, out=Z)  # (in,) @ (in, out)
            Z += b
        return Z

    def _softmax(self, Z: Array, answer: int) -> Array:
        """Turn Z (classes,), whose maximum is Z[answer], into probabilities in place, in half `softmax`'s time."""
        Z -= Z[answer]
        np.exp(Z, out=Z)
        Z /= Z.dot(self._ones)
        np.maximum(Z, self._lowest, out=Z)
        np.minimum(Z, self._highest, out=Z)
        return Z

    def _backward(self, delta: Array, rate: float) -> Array:
        """Update all layers but the first; give the derivatives by the first one's Z."""
        for layer in reversed(range(len(self._layers))):
            W, b = self._layers[layer]
            Z, A, dA, dW = self._Z[layer], self._A[layer], self._dA[layer], self._dW[layer]
            if not self._layerwise:
                np.matmul(W, delta, out=dA)  # (in, out) @ (out,)
            step = delta * rate
            np.multiply(A[:, np.newaxis], step, out=dW)  # (in, 1) · (out,)
            W -= dW
            b -= step
            if self._layerwise:
                np.matmul(W, delta, out=dA)
            self._activation.backward(Z, A, dA)
            delta = dA
        return delta
