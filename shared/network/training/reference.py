"""The article's network and its training as one plain loop in float64, without any optimization.

The tests compare the package's fast training with it, and docs/mathematics.md shows it. It covers plain SGD with a
constant learning rate. No other module uses it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from shared.network.arrays import Array, Labels

EPSILON = 1e-10


def initialize(widths: list[int], rng: np.random.Generator) -> list[tuple[Array, Array]]:
    """Return each layer's weights (in, out) and biases (out,), uniform in [-0.5, 0.5)."""
    return [(rng.random((rows, columns)) - 0.5, rng.random(columns) - 0.5) for rows, columns in pairwise(widths)]


def sigmoid(Z: Array) -> Array:
    """Return σ(Z) = 1 / (1 + e⁻ᶻ)."""
    return 1 / (1 + np.exp(-Z))


def sigmoid_slope(A: Array) -> Array:
    """Return σ' = A (1 - A), from A = σ(Z)."""
    return A * (1 - A)


def softmax(Z: Array) -> Array:
    """Return P = e^Z / Σ e^Z of each row, clipped to [ε, 1 - ε]."""
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    P: Array = np.clip(E / E.sum(axis=1, keepdims=True), EPSILON, 1 - EPSILON)
    return P


def train(
    layers: list[tuple[Array, Array]],
    X: Array,
    y: Labels,
    rng: np.random.Generator,
    *,
    epochs: int = 5,
    batch_size: int = 1,
    rate: float = 0.01,
    layerwise: bool = True,
    activation: Callable[[Array], Array] = sigmoid,
    slope: Callable[[Array], Array] = sigmoid_slope,
) -> list[float]:
    """Train the layers in place on images X (N, pixels) with labels y (N,); return each epoch's mean loss.

    layerwise: propagate the error through a layer after its update, as the article does, not before it.
    slope: the activation's derivative, computed from its output.
    """
    onehot = np.eye(layers[-1][1].size)[y]  # (N, classes)
    losses = []
    for _ in range(epochs):
        order, loss = rng.permutation(len(X)), 0.0
        for start in range(0, len(X), batch_size):
            batch = order[start : start + batch_size]
            inputs = [X[batch]]  # of each layer, (n, in)
            for W, b in layers[:-1]:
                inputs.append(activation(inputs[-1] @ W + b))  # (n, in) @ (in, out)
            W, b = layers[-1]
            P = softmax(inputs[-1] @ W + b)  # (n, classes)
            loss -= float(np.log(P[onehot[batch] == 1]).sum())
            dZ = (P - onehot[batch]) / len(batch)
            for layer, A in zip(reversed(layers), reversed(inputs), strict=True):
                W, b = layer
                dA = dZ @ W.T  # (n, out) @ (out, in)
                W -= rate * (A.T @ dZ)  # (in, n) @ (n, out)
                b -= rate * dZ.sum(axis=0)
                if layerwise:
                    dA = dZ @ W.T
                dZ = dA * slope(A)
        losses.append(loss / len(X))
    return losses
