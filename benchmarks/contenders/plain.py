"""A clean textbook loop over mini-batches in NumPy: float32, vectorized, without reuse of memory."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from benchmarks.contenders.workload import Workload, batches, rows_and_labels
from shared.network.arrays import Array, Labels


class Plain:
    """Dense layers in lists; every step allocates its arrays."""

    def __init__(self, workload: Workload) -> None:
        self._rng = np.random.default_rng(0)
        self._workload = workload
        self._X, self._y = rows_and_labels()
        self._W = [
            (self._rng.standard_normal(shape) * np.sqrt(2 / shape[0])).astype(np.float32)
            for shape in pairwise(workload.widths)
        ]
        self._b = [np.zeros(width, np.float32) for width in workload.widths[1:]]
        parameters = [*self._W, *self._b]
        self._m = [np.zeros_like(p) for p in parameters]
        self._v = [np.zeros_like(p) for p in parameters]
        self._t = 0

    def run(self) -> None:
        """Train on the next mini-batches."""
        total = 0.0
        for batch in batches(self._rng, len(self._X), self._workload):
            loss, dW, db = self._gradients(self._X[batch], self._y[batch])
            self._update([*dW, *db])
            total += loss

    def _gradients(self, X: Array, y: Labels) -> tuple[float, list[Array], list[Array]]:
        sigmoid = self._workload.activation == "sigmoid"
        A = [X]
        for W, b in zip(self._W[:-1], self._b[:-1], strict=True):
            Z = A[-1] @ W + b
            A.append(1 / (1 + np.exp(-Z)) if sigmoid else np.maximum(Z, 0))
        Z = A[-1] @ self._W[-1] + self._b[-1]
        E = np.exp(Z - Z.max(axis=1, keepdims=True))
        P = E / E.sum(axis=1, keepdims=True)
        right = np.arange(len(y)), y
        loss = -float(np.log(P[right] + 1e-10).mean())

        dZ = P
        dZ[right] -= 1
        dZ /= len(y)
        dW: list[Array] = []
        db: list[Array] = []
        for layer in reversed(range(len(self._W))):
            dW.insert(0, A[layer].T @ dZ)
            db.insert(0, dZ.sum(axis=0))
            if layer:
                slope = A[layer] * (1 - A[layer]) if sigmoid else A[layer] > 0
                dZ = dZ @ self._W[layer].T * slope
        return loss, dW, db

    def _update(self, gradients: list[Array]) -> None:
        rate = self._workload.rate
        parameters = [*self._W, *self._b]
        if self._workload.optimizer == "sgd":
            for p, g in zip(parameters, gradients, strict=True):
                p[:] -= rate * g
            return
        self._t += 1
        for p, g, m, v in zip(parameters, gradients, self._m, self._v, strict=True):
            m[:] = 0.9 * m + 0.1 * g
            v[:] = 0.999 * v + 0.001 * g**2
            p[:] -= rate * (m / (1 - 0.9**self._t)) / (np.sqrt(v / (1 - 0.999**self._t)) + 1e-8)
