"""The step for training image by image with plain SGD.

At this size a call of NumPy takes longer than its arithmetic, so the step makes few and cheap calls: the first layer
processes blocks of images; vectors replace one-row matrices; biases are the last row of the weights, with an input that
is always 1; constants are arrays, which NumPy does not need to convert; and `dot` computes the outer products, in a
third of the time of `multiply`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextvars import copy_context
from typing import Any, ClassVar

import numpy as np
from numpy import add, divide, exp, maximum, multiply, negative, reciprocal, subtract

from shared.network.arrays import Array, Images, Labels, Parameters
from shared.network.layers.activations import Activation, Sigmoid
from shared.network.layers.softmax import EPSILON
from shared.network.network import Network
from shared.network.optimization.parameter_update import Update
from shared.network.training.per_image_first_layer import SIZE, Block


class SmallSigmoid(Activation):
    """A `Sigmoid` that takes a third of the time at 64 elements: it makes fewer calls and converts no Python number.

    e⁻ᶻ may overflow to infinity here; σ(z) is then 0 instead of 10⁻³⁸.
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


class PerImageStep:
    """A `TrainStep` for mini-batches of one image and the optimizer "sgd"; the results differ only by rounding."""

    gradient_norm = None

    layer_norms: Sequence[float] = ()
    """The norms of each layer's gradient, from the first layer, for the image that was measured last."""

    lookahead = SIZE - 1
    """The number of next images that a step can use."""

    def __init__(self, network: Network, parameters: Parameters, rows: Images, y: Labels) -> None:
        self.P = network.layout.pack(parameters)
        self.update = Update(network.configuration.optimizer, self.P, np.empty_like(self.P), [])
        self._y = y.tolist()
        self._layerwise = network.configuration.update_order == "layerwise"
        small = network.activation.name == SmallSigmoid.name
        self._activation: Activation = SmallSigmoid(network.dtype) if small else network.activation

        places = zip(network.layout.layers, network.widths[1:], strict=True)
        first, *others = (self.P[place].reshape(-1, width) for place, width in places)  # (in + 1, out)
        self._block = Block(first, rows)
        Z = [np.empty(width, network.dtype) for width in network.widths[1:]]
        dZ = [np.empty_like(each) for each in Z]
        self._layers = [_Layer(W, *Z[i : i + 2], *dZ[i : i + 2]) for i, W in enumerate(others)]
        self._reversed = self._layers[::-1]
        self._Z_first, self._dZ_first, self._Z_last, self._dZ_last = Z[0], dZ[0], Z[-1], dZ[-1]

        self._rate, self._sum = np.empty((), network.dtype), np.empty((), network.dtype)
        self._ones = np.ones_like(self._Z_last)
        self._lowest = np.array(EPSILON, network.dtype)
        self._highest = float(network.dtype.type(1 - EPSILON))  # a comparison with an array takes ten times as long
        # Entering np.errstate takes as long as three small computations; entering a context that has it does not.
        self._context = copy_context()
        self._context.run(np.seterr, all="ignore")

    def run(
        self, batch: Labels, factor: float, following: Labels | None = None, measures: bool = False
    ) -> tuple[float, int]:
        """Train on the image at this index; return its loss and whether the prediction was correct, before the step.

        following: the images of the next steps, up to `lookahead`. Without them a step takes several times as long. P
        is up to date after the last of them, and after `settle`. measures: whether to set `layer_norms`.
        """
        self.update.begin_step(factor)
        self._rate.fill(self.update.rate)
        result = self._context.run(self._run, batch.item(0), following)
        if measures:
            self.layer_norms = self._norms()
        return result

    def settle(self) -> None:
        """Bring P up to date with all steps so far."""
        self._context.run(self._block.settle)

    def state(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the step's state besides P and the optimizer's state, as copies."""
        return self._block.state()

    def restore(self, state: dict[str, np.ndarray[Any, Any]]) -> None:
        """Restore the state that `state` returned."""
        self._context.run(self._block.restore, state)

    def _run(self, index: int, following: Labels | None) -> tuple[float, int]:
        block, label = self._block, self._y[index]
        step = block.forward(index, following, self._Z_first)
        self._forward()
        predicted = int(self._Z_last.argmax())
        P = self._softmax(predicted)
        p = P.item(label)
        P[label] = p - 1  # P becomes dZ
        self._backward()
        step[:] = self._dZ_first
        if block.complete:
            block.settle()
        return -math.log(p), int(predicted == label)

    def _norms(self) -> list[float]:
        """Return the norms of each layer's gradient in the last step, whose derivatives have the factor η."""
        with np.errstate(all="ignore"):
            others = [float(np.linalg.norm(layer.dW)) for layer in self._layers]
            return [norm / self.update.rate for norm in (self._block.norm(), *others)]

    def _forward(self) -> None:
        """Compute the last layer's Z from the first layer's."""
        activate = self._activation.forward
        for layer in self._layers:
            activate(layer.Z, layer.A)
            layer.A1.dot(layer.W, layer.Z_next)  # (in + 1,) @ (in + 1, out)

    def _softmax(self, predicted: int) -> Array:
        """Return the probabilities, as `softmax` does; the last Z is largest at `predicted`."""
        Z, P = self._Z_last, self._dZ_last
        subtract(Z, Z[predicted, ...], P)
        exp(P, P)
        P.dot(self._ones, self._sum)
        divide(P, self._sum, P)
        maximum(P, self._lowest, out=P)
        if P.item(predicted) > self._highest:  # only the largest probability can exceed the bound
            P[predicted] = self._highest
        return P

    def _backward(self) -> None:
        """Compute the first layer's dZ, multiplied by η, from the last layer's, and update all layers but the first.

        All derivatives are proportional to the last layer's dZ, so only this is multiplied by η.
        """
        layerwise, activation_backward = self._layerwise, self._activation.backward
        multiply(self._dZ_last, self._rate, self._dZ_last)
        for layer in self._reversed:
            if not layerwise:
                layer.weights.dot(layer.dZ_next, layer.dZ)  # (in, out) @ (out,)
            layer.A1_column.dot(layer.dZ_next_row, layer.dW)  # (in + 1, 1) @ (1, out)
            subtract(layer.W, layer.dW, layer.W)
            if layerwise:
                layer.weights.dot(layer.dZ_next, layer.dZ)
            activation_backward(layer.Z, layer.A, layer.dZ)


class _Layer:
    """A layer after the first, W (in + 1, out), between Z (in,) and Z_next (out,), and the arrays of a step."""

    __slots__ = ("A", "A1", "A1_column", "W", "Z", "Z_next", "dW", "dZ", "dZ_next", "dZ_next_row", "weights")

    def __init__(self, W: Array, Z: Array, Z_next: Array, dZ: Array, dZ_next: Array) -> None:
        self.W, self.Z, self.Z_next, self.dZ, self.dZ_next = W, Z, Z_next, dZ, dZ_next
        self.A1 = np.ones(len(W), W.dtype)  # its last element stays 1: the factor of the biases
        self.A = self.A1[:-1]
        # Views, created once: creating a view takes half as long as computing with it.
        self.weights = W[:-1]
        self.A1_column = self.A1[:, np.newaxis]
        self.dZ_next_row = dZ_next[np.newaxis]
        self.dW = np.empty_like(W)
