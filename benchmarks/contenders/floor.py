"""The lower bound for all implementations with dense matrices: only the eight matrix products of a training step."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from benchmarks.contenders.workload import Workload


class Floor:
    """Three products forward, three for the weights, two back, into arrays that are allocated once."""

    def __init__(self, workload: Workload) -> None:
        rng = np.random.default_rng(0)
        self._A = [rng.random((workload.batch_size, width), dtype=np.float32) for width in workload.widths]
        self._W = [rng.random(shape, dtype=np.float32) for shape in pairwise(workload.widths)]
        self._out = [np.empty_like(A) for A in self._A]
        self._dW = [np.empty_like(W) for W in self._W]
        self._steps = workload.steps

    def run(self) -> None:
        """Multiply."""
        A, W, out, dW = self._A, self._W, self._out, self._dW
        for _ in range(self._steps):
            for layer in range(len(W)):
                np.matmul(A[layer], W[layer], out=out[layer + 1])
            for layer in reversed(range(len(W))):
                np.matmul(A[layer].T, A[layer + 1], out=dW[layer])
                if layer:
                    np.matmul(A[layer + 1], W[layer].T, out=out[layer])
