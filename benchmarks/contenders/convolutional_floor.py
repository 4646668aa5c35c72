"""The lower bound for the convolutional engine: only the matrix products of a training step, as its formulas have them.

Each output row of a convolution is one product forward, one for the weights and one back (not in the first layer), with
arrays of chunks of 32 images, which are allocated once. Nothing is copied into these arrays, added, pooled or
activated. The chunks of a mini-batch are shared by as many threads as OMP_NUM_THREADS says, with one BLAS thread each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from benchmarks.contenders.workload import Workload
from shared.network.arrays import Array

CHUNK = 32


class Product(NamedTuple):
    """A product of two matrices, or of stacks of them."""

    left: Array
    right: Array
    out: Array


class ConvolutionalFloor:
    """The products of each thread, repeated for each chunk."""

    def __init__(self, workload: Workload) -> None:
        threads = int(os.environ["OMP_NUM_THREADS"])
        self._products = [list(_products(workload)) for _ in range(threads)]
        self._pool = ThreadPoolExecutor(threads)
        chunks, rest = divmod(workload.batch_size, CHUNK)
        assert rest == 0
        self._shares = [len(range(thread, chunks, threads)) for thread in range(threads)]
        self._steps = workload.steps

    def run(self) -> None:
        """Multiply; the threads wait for each other after each step."""
        for _ in range(self._steps):
            list(self._pool.map(_multiply, self._products, self._shares))


def _multiply(products: list[Product], times: int) -> None:
    for _ in range(times):
        for left, right, out in products:
            np.matmul(left, right, out=out)


def _products(workload: Workload) -> Iterator[Product]:
    """Yield the products of one chunk."""
    rng = np.random.default_rng(0)

    def numbers(*shape: int) -> Array:
        return rng.random(shape, dtype=np.float32)

    (height, width), channels = workload.image_shape[:2], workload.channels
    for index, convolution in enumerate(workload.convolutions):
        height, width = convolution.sides(height, width)
        K, F, M = convolution.kernel_size**2 * channels, convolution.filters, width * CHUNK
        W, L, Z = numbers(K, F), numbers(height, K, M), numbers(height, F, M)
        yield Product(W.T, L, np.empty_like(Z))
        yield Product(L, Z.swapaxes(1, 2), np.empty((height, K, F), np.float32))
        if index:
            out = np.empty((K, M), np.float32)
            yield from (Product(W, row, out) for row in Z)
        height, width, channels = height // convolution.pool_size, width // convolution.pool_size, F
    for inputs, outputs in pairwise(workload.widths):
        W, X, Z = numbers(inputs, outputs), numbers(inputs, CHUNK), numbers(outputs, CHUNK)
        yield Product(W.T, X, np.empty_like(Z))
        yield Product(X, Z.T, np.empty_like(W))
        yield Product(W, Z, np.empty_like(X))
