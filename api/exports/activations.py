"""The activation functions as ONNX operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from api.exports.graph import Graph
from shared.network.layers.activations import GELU, LeakyReLU


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
