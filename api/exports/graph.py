"""The forward pass as a graph of ONNX operators.

Source: ONNX Operator Schemas, operator set version 17. Nodes refer to tensors by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.network.layers.activations import GELU, LeakyReLU
from shared.network.layers.softmax import EPSILON

IMAGES = "images"
PROBABILITIES = "probabilities"


@dataclass(frozen=True)
class Node:
    """An operator with its input tensors, its output tensor, and its integer attributes."""

    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, int]


class Graph:
    """Nodes in execution order, and their constant tensors. dtype: the network's."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.nodes: list[Node] = []
        self.tensors: dict[str, NDArray[Any]] = {}

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: int) -> str:
        """Add a node, and return the name of its output."""
        node = Node(operator, inputs, output or f"{operator.lower()}{len(self.nodes) + 1}", attributes)
        self.nodes.append(node)
        return node.output

    def constant(self, value: float) -> str:
        """Add a constant, and return its name."""
        name = f"constant {value!r}"
        self.tensors[name] = np.array(value, self.dtype)
        return name


def graph_of(activation: str, parameters: Mapping[str, NDArray[Any]], float32: int, own: int) -> Graph:
    """Return the forward pass from images (N, pixels), float32 from 0 to 1, to probabilities (N, classes).

    float32, own: ONNX's type numbers of float32 and of the network's dtype.
    """
    names = list(parameters)
    graph = Graph(parameters[names[0]].dtype)
    graph.tensors.update(parameters)
    A = IMAGES if own == float32 else graph.add("Cast", IMAGES, to=own)
    layers = len(names) // 2
    for layer in range(1, layers + 1):
        Z = graph.add("Gemm", A, f"layer{layer}.weights", f"layer{layer}.biases")  # A W + b
        A = Z if layer == layers else ACTIVATIONS[activation](graph, Z)
    P = graph.add("Softmax", A, axis=1)
    graph.add("Clip", P, graph.constant(EPSILON), graph.constant(1 - EPSILON), output=PROBABILITIES)
    return graph


def _leaky_relu(graph: Graph, Z: str) -> str:
    """Return max(z, αz). Not every runtime supports the operator LeakyRelu in both precisions."""
    return graph.add("Max", Z, graph.add("Mul", Z, graph.constant(LeakyReLU.slope)))


def _gelu(graph: Graph, Z: str) -> str:
    """Return Z (1 + t) / 2 with t = tanh(√(2/π) (z + 0.044715 z³)), where z is Z clipped to the saturation."""
    limit, one = GELU.saturation, graph.constant(1.0)
    z = graph.add("Clip", Z, graph.constant(-limit), graph.constant(limit))
    cubic = graph.add("Mul", graph.add("Mul", z, z), graph.constant(GELU.cubic))
    inner = graph.add("Mul", z, graph.add("Add", cubic, one))
    t = graph.add("Tanh", graph.add("Mul", inner, graph.constant(GELU.scale)))
    half = graph.add("Mul", graph.add("Add", t, one), graph.constant(0.5))
    return graph.add("Mul", half, Z)


ACTIVATIONS: Mapping[str, Callable[[Graph, str], str]] = {
    "sigmoid": lambda graph, Z: graph.add("Sigmoid", Z),
    "tanh": lambda graph, Z: graph.add("Tanh", Z),
    "relu": lambda graph, Z: graph.add("Relu", Z),
    "leaky_relu": _leaky_relu,
    "gelu": _gelu,
    "identity": lambda _, Z: Z,
}
