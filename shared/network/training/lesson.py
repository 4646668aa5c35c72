"""One training step on one image, recorded: every array from the input to the new weights, in the order of computation.

It calls the functions of `layers/` and `optimization/` that a training calls, one after the other, on arrays of its
own. docs/mathematics.md explains each formula.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from shared.network.arrays import Array
from shared.network.layers import dense
from shared.network.layers.activations import Activation
from shared.network.layers.softmax import cross_entropy, logit_gradient, softmax
from shared.network.optimization.optimizers import SGD


class Recorded(NamedTuple):
    """An array by its name, such as `dW2`, the operation that computed it (a key of `FORMULAS`), and a copy of it."""

    name: str
    operation: str
    values: Array


FORMULAS: Mapping[str, str] = MappingProxyType(
    {
        "input": "X",
        "weights": "W, b",
        "forward": "Z = X W + b",
        "activation": "A = f(Z)",
        "softmax": "P = e^Z / Σ e^Z",
        "loss": "L = -log P[y]",
        "logit_gradient": "dZ = P - onehot(y)",
        "gradients": "dW = Xᵀ dZ, db = dZ",
        "propagate": "dA = dZ Wᵀ",
        "activation_gradient": "dZ = dA · f'(Z)",
        "update": "W' = W - η dW, b' = b - η db",
    }
)
"""The formula of each operation."""
MOVE = 1e-3
"""How far a check of a derivative moves a weight, both ways."""


def functions(activation: Activation) -> dict[str, Callable[..., Any]]:
    """Return the function that computes each operation; the input and the first weights have none."""
    return {
        "forward": dense.forward,
        "activation": type(activation).forward,
        "softmax": softmax,
        "loss": cross_entropy,
        "logit_gradient": logit_gradient,
        "gradients": dense.gradients,
        "propagate": dense.propagate,
        "activation_gradient": type(activation).backward,
        "update": SGD.update,
    }


def sources(activation: Activation) -> dict[str, str]:
    """Return the source of each operation's function."""
    return {name: textwrap.dedent(inspect.getsource(function)) for name, function in functions(activation).items()}


def lesson(
    layers: Sequence[tuple[Array, Array]], activation: Activation, X: Array, y: int, rate: float, *, layerwise: bool
) -> list[Recorded]:
    """Return the arrays of one step with plain SGD on X (1, in) of class y; the layers themselves stay unchanged.

    layerwise: update each layer before the error propagates through it, as the article does, else all at the end.
    """
    own = [(W.copy(), b.copy()) for W, b in layers]
    optimizer, label = SGD(), np.array([y])
    steps: list[Recorded] = []

    def record(name: str, operation: str, values: Array) -> None:
        steps.append(Recorded(name, operation, np.array(values)))

    def update(number: int, dW: Array, db: Array) -> None:
        for letter, P, dP in zip("Wb", own[number - 1], (dW, db), strict=True):
            optimizer.update(P, dP.copy(), (), rate, 1)
            record(f"{letter}{number}'", "update", P)

    record("X", "input", X)
    for number, parameters in enumerate(own, start=1):
        for letter, values in zip("Wb", parameters, strict=True):
            record(f"{letter}{number}", "weights", values)
    inputs, sums, P = _forward(own, activation, X, record)
    record("L", "loss", np.array([cross_entropy(P, label)]))
    dZ = P.copy()
    logit_gradient(dZ, label)
    record(f"dZ{len(own)}", "logit_gradient", dZ)
    waiting = []
    for number in range(len(own), 0, -1):
        W, b = own[number - 1]
        dW, db = np.empty_like(W), np.empty_like(b)
        dense.gradients(inputs[number - 1], dZ, dW, db)
        record(f"dW{number}", "gradients", dW)
        record(f"db{number}", "gradients", db)
        if layerwise:
            update(number, dW, db)
        else:
            waiting.append((number, dW, db))
        if number > 1:
            dA = np.empty_like(inputs[number - 1])
            dense.propagate(dZ, W, dA)
            record(f"dA{number - 1}", "propagate", dA)
            activation.backward(sums[number - 2], inputs[number - 1], dA)
            record(f"dZ{number - 1}", "activation_gradient", dA)
            dZ = dA
    for each in waiting:
        update(*each)
    return steps


def losses(
    layers: Sequence[tuple[Array, Array]],
    activation: Activation,
    images: Iterable[tuple[Array, int]],
    rate: float,
    *,
    layerwise: bool,
) -> list[float]:
    """Return the loss of each step: one image X (1, in) of a class after another, from weights to new weights."""
    found = []
    for X, y in images:
        steps = {each.name: each.values for each in lesson(layers, activation, X, y, rate, layerwise=layerwise)}
        found.append(float(steps["L"][0]))
        layers = [(steps[f"W{number}'"], steps[f"b{number}'"]) for number in range(1, len(layers) + 1)]
    return found


def moved_losses(
    layers: Sequence[tuple[Array, Array]],
    activation: Activation,
    X: Array,
    y: int,
    parameter: str,
    index: tuple[int, ...],
) -> tuple[float, float]:
    """Return the loss with one number of `parameter`, such as `W2`, lowered and raised by `MOVE`, in float64."""
    own = [(W.astype(np.float64), b.astype(np.float64)) for W, b in layers]
    values = own[int(parameter[1:]) - 1]["Wb".index(parameter[0])]
    middle, found = values[index], []
    for moved in (middle - MOVE, middle + MOVE):
        values[index] = moved
        *_, P = _forward(own, activation, X.astype(np.float64), lambda *_: None)
        found.append(cross_entropy(P, np.array([y])))
    return found[0], found[1]


def _forward(
    layers: Sequence[tuple[Array, Array]],
    activation: Activation,
    X: Array,
    record: Callable[[str, str, Array], None],
) -> tuple[list[Array], list[Array], Array]:
    """Return each layer's input and its Z, and the probabilities P."""
    inputs, sums = [X], []
    for number, (W, b) in enumerate(layers, start=1):
        Z = np.empty((1, len(b)), W.dtype)
        dense.forward(inputs[-1], W, b, Z)
        record(f"Z{number}", "forward", Z)
        sums.append(Z)
        if number < len(layers):
            A = np.empty_like(Z)
            activation.forward(Z, A)
            record(f"A{number}", "activation", A)
            inputs.append(A)
    P = sums[-1].copy()
    softmax(P, P)
    record("P", "softmax", P)
    return inputs, sums, P
