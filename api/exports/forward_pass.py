"""A network's forward pass as a graph of ONNX operators."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from api.exports.activations import ACTIVATIONS
from api.exports.convolutions import add_block, add_weights
from api.exports.graph import TYPES, Graph, Tensor
from shared.network import Network
from shared.network.layers.softmax import EPSILON
from shared.registry.stored import StoredArray

IMAGES = "images"
PROBABILITIES = "probabilities"


def input_shape(network: Network) -> tuple[int, ...]:
    """Return the shape of one image in the graph's input.

    It is a row of pixels for a dense network of grayscale images, otherwise (H, W) or (H, W, 3).
    """
    is_image = network.configuration.convolutions or len(network.image_shape) == 3
    return network.image_shape if is_image else (math.prod(network.image_shape),)


def graph_of(network: Network, parameters: Mapping[str, StoredArray]) -> Graph:
    """Return the forward pass from images, float32 from 0 to 1, to probabilities (N, classes)."""
    graph = Graph(network.dtype)
    configuration = network.configuration
    blocks = configuration.convolutions
    for number, block in enumerate(blocks, start=1):
        add_weights(graph, number, block, parameters)
    for number in range(len(blocks) + 1, network.hidden_layers + 2):
        for kind in ("weights", "biases"):
            graph.tensors[f"layer{number}.{kind}"] = Tensor.of(parameters[f"layer{number}.{kind}"])
    A = IMAGES if network.dtype == np.float32 else graph.add("Cast", IMAGES, to=TYPES[network.dtype.name])
    if configuration.standardize:
        for operator, name in (("Sub", "input.mean"), ("Div", "input.deviation")):
            graph.tensors[name] = Tensor.of(parameters[name])
            A = graph.add(operator, A, name)  # each channel's number, for all pixels
    A = _features(graph, network, A)
    for number in range(len(blocks) + 1, network.hidden_layers + 2):
        Z = graph.add("Gemm", A, f"layer{number}.weights", f"layer{number}.biases")  # A W + b
        A = Z if number > network.hidden_layers else ACTIVATIONS[configuration.activation](graph, Z)
    P = graph.add("Softmax", A, axis=1)
    graph.add("Clip", P, graph.constant(EPSILON), graph.constant(1 - EPSILON), output=PROBABILITIES)
    return graph


def _features(graph: Graph, network: Network, X: str) -> str:
    """Return the input of the first dense layer, (N, features), in the order (row, column, channel)."""
    configuration = network.configuration
    if configuration.convolutions:
        H, W = network.image_shape[:2]
        shape = (H, W, network.channels)
        is_gray = len(network.image_shape) == 2
        X = graph.add("Unsqueeze", X, graph.integers((1,))) if is_gray else graph.add("Transpose", X, perm=(0, 3, 1, 2))
        for number, block in enumerate(configuration.convolutions, start=1):
            X, shape = add_block(graph, number, block, configuration.activation, X, shape)
        X = graph.add("Transpose", X, perm=(0, 2, 3, 1))
    return X if len(input_shape(network)) == 1 else graph.add("Flatten", X, axis=1)
