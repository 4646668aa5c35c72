"""A graph of ONNX operators with its constant tensors.

Source: ONNX Operator Schemas, operator set version 17. Nodes refer to tensors by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from api.exports.parts import Part, content_of
from shared.registry.stored import StoredArray

TYPES = {"float32": 1, "int64": 7, "float64": 11}
"""Numbers of the types of numbers, TensorProto.DataType."""


@dataclass(frozen=True)
class Node:
    """An operator with its input tensors, its output tensor, and its attributes, integers or lists of them."""

    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, int | tuple[int, ...]]


@dataclass(frozen=True)
class Tensor:
    """A constant tensor: its shape, its dtype, and its bytes in C order, little-endian."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    content: Part

    @classmethod
    def of(cls, array: StoredArray) -> Self:
        """Return a stored array as a tensor."""
        return cls(array.shape, array.dtype, content_of(array))


class Graph:
    """Nodes in execution order, and their constant tensors. dtype: the network's."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.nodes: list[Node] = []
        self.tensors: dict[str, Tensor] = {}

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: int | tuple[int, ...]) -> str:
        """Add a node, and return the name of its output."""
        node = Node(operator, inputs, output or f"{operator.lower()}{len(self.nodes) + 1}", attributes)
        self.nodes.append(node)
        return node.output

    def constant(self, value: float) -> str:
        """Add a constant, and return its name."""
        name = f"constant {value!r}"
        self.tensors[name] = Tensor.of(StoredArray.of(np.array(value, self.dtype)))
        return name

    def integers(self, values: NDArray[np.integer[Any]] | tuple[int, ...]) -> str:
        """Add a list of integers, such as a shape, and return its name."""
        name = f"integers {len(self.tensors) + 1}"
        self.tensors[name] = Tensor.of(StoredArray.of(np.array(values, np.int64)))
        return name
