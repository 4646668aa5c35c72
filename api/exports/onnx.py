"""The ONNX format: the network's graph with its parameters, for ONNX runtimes.

Source: onnx/onnx, onnx/onnx.proto and docs/IR.md, IR version 8. The field numbers are those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

from api.exports.description import description
from api.exports.forward_pass import IMAGES, PROBABILITIES, graph_of, input_shape
from api.exports.graph import TYPES, Graph, Node, Tensor
from api.exports.parts import Part
from api.exports.protobuf import message, number, text
from shared.registry import ModelVersion
from shared.registry.classifier import network_of
from shared.registry.stored import StoredArray

IR_VERSION = 8
OPSET_VERSION = 17
INT, INTS = 2, 7  # AttributeProto.AttributeType


def encode(version: ModelVersion, parameters: Mapping[str, StoredArray]) -> list[Part]:
    """Encode the version as a ModelProto, from `images` (N, *input_shape) to `probabilities` (N, classes).

    Raises `Damaged` if this version of the code does not support the network.
    """
    network = network_of(version)
    graph = graph_of(network, parameters)
    images = _tensor_type(IMAGES, "float32", input_shape(network))
    probabilities = _tensor_type(PROBABILITIES, network.dtype.name, (network.classes,))
    return [
        *number(1, IR_VERSION),
        *text(2, "glassbox"),  # producer_name
        *number(5, version.version),
        *message(7, _graph(graph, f"{version.model}@{version.version}", images, probabilities)),
        *message(8, number(2, OPSET_VERSION)),
        *_all(message(14, [*text(1, name), *text(2, value)]) for name, value in description(version).items()),
    ]


def _graph(graph: Graph, name: str, images: list[Part], probabilities: list[Part]) -> list[Part]:
    """Encode a GraphProto."""
    return [
        *_all(message(1, _node(node)) for node in graph.nodes),
        *text(2, name),
        *_all(message(5, _tensor(name, tensor)) for name, tensor in graph.tensors.items()),
        *message(11, images),
        *message(12, probabilities),
    ]


def _node(node: Node) -> list[Part]:
    """Encode a NodeProto."""
    return [
        *_all(text(1, name) for name in node.inputs),
        *text(2, node.output),
        *text(3, node.output),  # the node's own name
        *text(4, node.operator),
        *_all(message(5, _attribute(name, value)) for name, value in node.attributes.items()),
    ]


def _attribute(name: str, value: int | tuple[int, ...]) -> list[Part]:
    """Encode an AttributeProto."""
    if isinstance(value, int):
        return [*text(1, name), *number(3, value), *number(20, INT)]
    return [*text(1, name), *_all(number(8, each) for each in value), *number(20, INTS)]


def _tensor(name: str, tensor: Tensor) -> list[Part]:
    """Encode a TensorProto with raw data."""
    return [
        *_all(number(1, side) for side in tensor.shape),
        *number(2, TYPES[tensor.dtype.name]),
        *text(8, name),
        *message(9, [tensor.content]),
    ]


def _tensor_type(name: str, dtype: str, sides: tuple[int, ...]) -> list[Part]:
    """Encode a ValueInfoProto of a tensor (N, *sides)."""
    shape = [*message(1, text(2, "N")), *_all(message(1, number(1, side)) for side in sides)]
    return [*text(1, name), *message(2, message(1, [*number(1, TYPES[dtype]), *message(2, shape)]))]


def _all(fields: Iterable[list[Part]]) -> Iterable[Part]:
    return chain.from_iterable(fields)
