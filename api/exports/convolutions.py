"""A convolutional block as ONNX operators: convolution with biases, max pooling, activation.

Inside the graph, images are (N, C, H, W), as ONNX's operators need them. A trained batch normalization is part of the
convolution's weights and biases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.exports.activations import ACTIVATIONS
from api.exports.graph import Graph, Tensor
from api.exports.parts import Stream
from shared.network.convolutions.batch_normalization import folded
from shared.network.convolutions.blocks import Block
from shared.network.convolutions.convolution import margins
from shared.registry.stored import StoredArray

Side = tuple[int, int, int]
"""Pixels along one side of an image, zeros before them, zeros after them."""


GROUP_BYTES = 32 * 1024 * 1024  # of the filters whose weights are in memory at once


def add_weights(graph: Graph, number: int, block: Block, parameters: Mapping[str, StoredArray]) -> None:
    """Add the tensors `layerN.weights` and `layerN.biases`, in the order of axes that `add_block` needs."""
    prefix = f"layer{number}."
    W = parameters[f"{prefix}weights"]
    vectors = {
        name.removeprefix(prefix): stored.array()  # (F,)
        for name, stored in parameters.items()
        if name.startswith(prefix) and stored is not W
    }
    k, _, C, F = W.shape
    if block.batch_norm:
        _, b = folded(np.empty((0, F), W.dtype), vectors)
    else:
        b = vectors["biases"]

    def filters() -> Iterator[bytes | memoryview]:
        """Yield the weights (F, C, k, k), some filters at a time."""
        step = max(1, GROUP_BYTES // (k * k * C * W.dtype.itemsize))
        for start in range(0, F, step):
            group = slice(start, start + step)
            own = {name: vector[group] for name, vector in vectors.items()}
            some = np.concatenate([rows[:, group] for rows in W.rows()])
            some = folded(some, own)[0] if block.batch_norm else some
            yield from _bytes(some.reshape(k, k, C, -1).transpose(3, 2, 0, 1))

    def matrix() -> Iterator[bytes | memoryview]:
        """Yield the weights (k k C, F), some rows at a time."""
        for rows in W.rows():
            yield from _bytes(folded(rows, vectors)[0] if block.batch_norm else rows)

    if _has_conv(graph):
        weights = Tensor((F, C, k, k), W.dtype, Stream(W.nbytes, filters))
    else:
        weights = Tensor((k * k * C, F), W.dtype, Stream(W.nbytes, matrix))
    graph.tensors[f"{prefix}weights"] = weights
    graph.tensors[f"{prefix}biases"] = Tensor.of(StoredArray.of(b))


def _bytes(array: NDArray[Any]) -> Iterator[bytes | memoryview]:
    return StoredArray.of(array).blocks()


def add_block(
    graph: Graph, number: int, block: Block, activation: str, X: str, shape: tuple[int, int, int]
) -> tuple[str, tuple[int, int, int]]:
    """Add the nodes of a block. X: images (N, C, H, W), whose `shape` is (H, W, C). Return the result and its shape."""
    H, W, C = shape
    k, s, p = block.kernel_size, block.strides, block.pool_size
    rows, columns = ((side, *margins(side, k, s, block.padding)) for side in (H, W))
    convolution = _conv if _has_conv(graph) else _products
    Z = convolution(graph, f"layer{number}", block, X, C, rows, columns)
    height, width = _places(rows, block), _places(columns, block)
    if p > 1:
        Z = graph.add("MaxPool", Z, kernel_shape=(p, p), strides=(p, p))
        height, width = height // p, width // p
    return ACTIVATIONS[activation](graph, Z), (height, width, block.filters)


def _has_conv(graph: Graph) -> bool:
    """Return whether runtimes have the operator Conv in the network's precision; onnxruntime has none in float64."""
    return graph.dtype == np.float32


def _places(side: Side, block: Block) -> int:
    """Return the number of places of the filters along a side."""
    return (sum(side) - block.kernel_size) // block.strides + 1


def _conv(graph: Graph, layer: str, block: Block, X: str, _: int, rows: Side, columns: Side) -> str:
    """Return W * X + b by the operator Conv."""
    k, s = block.kernel_size, block.strides
    pads = (rows[1], columns[1], rows[2], columns[2])
    return graph.add("Conv", X, f"{layer}.weights", f"{layer}.biases", kernel_shape=(k, k), strides=(s, s), pads=pads)


def _products(graph: Graph, layer: str, block: Block, X: str, C: int, rows: Side, columns: Side) -> str:
    """Return W * X + b as a product of matrices, whose rows are the squares of pixels under the filters."""
    k, F = block.kernel_size, block.filters
    X = graph.add("Transpose", X, perm=(0, 2, 3, 1))
    if any(rows[1:] + columns[1:]):
        X = graph.add("Pad", X, graph.integers((0, rows[1], columns[1], 0, 0, rows[2], columns[2], 0)))
    places = [_places(side, block) for side in (rows, columns)]
    for axis, count in enumerate(places, start=1):  # the pixels under each place of the filters: (N, Ho k, Wo k, C)
        under = block.strides * np.arange(count)[:, np.newaxis] + np.arange(k)
        X = graph.add("Gather", X, graph.integers(under.reshape(-1)), axis=axis)
    Ho, Wo = places
    X = graph.add("Reshape", X, graph.integers((0, Ho, k, Wo, k, C)))
    X = graph.add("Transpose", X, perm=(0, 1, 3, 2, 4, 5))
    X = graph.add("Reshape", X, graph.integers((0, Ho * Wo, k * k * C)))
    Z = graph.add("Add", graph.add("MatMul", X, f"{layer}.weights"), f"{layer}.biases")
    Z = graph.add("Reshape", Z, graph.integers((0, Ho, Wo, F)))
    return graph.add("Transpose", Z, perm=(0, 3, 1, 2))
