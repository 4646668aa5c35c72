"""The article's loop as published: image by image, lists of arrays, weights (out, in), float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.contenders.workload import Workload, batches, rows_and_labels

Vector = npt.NDArray[np.float64]
EPSILON = 1e-10


def sigmoid(z: Vector) -> Vector:
    """Map each number into the interval from 0 to 1."""
    return np.asarray(1 / (1 + np.exp(-z)))


def softmax(z: Vector) -> Vector:
    """Turn scores into probabilities."""
    e = np.exp(z - np.max(z))
    return np.asarray(np.clip(e / np.sum(e), EPSILON, 1 - EPSILON))


class ArticleNetwork:
    """Weights and biases in lists, one entry per layer."""

    def __init__(self, weights: list[npt.NDArray[Any]], biases: list[npt.NDArray[Any]], rate: float) -> None:
        self.weights = weights
        self.biases = biases
        self.rate = rate

    def train(self, x: Vector, target: Vector) -> float:
        """Train on one image; return its cross-entropy before the update."""
        activations = [x]
        for W, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            activations.append(sigmoid(np.dot(W, activations[-1]) + b))
        output = softmax(np.dot(self.weights[-1], activations[-1]) + self.biases[-1])
        loss = -float(np.sum(target * np.log(output)))

        error = output - target
        for layer in range(len(self.weights) - 1, -1, -1):
            self.weights[layer] -= self.rate * np.outer(error, activations[layer])
            self.biases[layer] -= self.rate * error
            if layer > 0:
                a = activations[layer]
                error = np.dot(self.weights[layer].T, error) * a * (1 - a)
        return loss


class Article:
    """The loop over the network."""

    def __init__(self, workload: Workload) -> None:
        self._rng = np.random.default_rng(0)
        self._workload = workload
        self._rows, labels = rows_and_labels("float64")
        self._targets = np.eye(workload.widths[-1])[labels]
        shapes = list(zip(workload.widths[1:], workload.widths[:-1], strict=True))
        self._network = ArticleNetwork(
            [self._rng.random(shape) - 0.5 for shape in shapes],
            [self._rng.random(outputs) - 0.5 for outputs, _ in shapes],
            workload.rate,
        )

    def run(self) -> None:
        """Train on the next images."""
        total = 0.0
        for i in batches(self._rng, len(self._rows), self._workload)[:, 0]:
            total += self._network.train(self._rows[i], self._targets[i])
