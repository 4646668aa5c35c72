"""The layout of all parameters in one flat vector: layer by layer, the weights, then the biases; then the statistics.

An optimizer updates the trained part of the vector in one sweep; views of the vector have the parameters' names and
shapes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from shared.network.arrays import Array, Parameters

Shape: TypeAlias = tuple[int, ...]


class Layout:
    """The names, shapes and offsets of all parameters.

    layers: for each layer from the first, the shapes of its trained parameters by name. statistics: the shapes of what
    a training measures instead, by full name.
    """

    def __init__(
        self,
        layers: Sequence[Mapping[str, Shape]],
        dtype: np.dtype[np.floating],
        statistics: Mapping[str, Shape] = MappingProxyType({}),
    ) -> None:
        self.dtype = dtype
        self.shapes: dict[str, Shape] = {}
        self.layers: list[slice] = []
        """Each layer's part of the vector."""

        start = 0
        for number, shapes in enumerate(layers, start=1):
            for name, shape in shapes.items():
                self.shapes[f"layer{number}.{name}"] = shape
            self.layers.append(slice(start, start + sum(map(math.prod, shapes.values()))))
            start = self.layers[-1].stop
        self.trained = start
        """The length of the trained part, which comes first."""

        self.shapes |= statistics
        self.size = start + sum(map(math.prod, statistics.values()))

    @classmethod
    def dense(cls, widths: Sequence[int], dtype: np.dtype[np.floating]) -> Layout:
        """Return the layout of dense layers with these widths from the input to the output."""
        return cls(dense_shapes(widths), dtype)

    def views(self, vector: Array) -> Parameters:
        """Return each parameter as a view of its part of the vector, which may consist of the trained part alone."""
        views: Parameters = {}
        start = 0
        for name, shape in self.shapes.items():
            if start == len(vector):
                break
            size = math.prod(shape)
            views[name] = vector[start : start + size].reshape(shape)
            start += size
        return views

    def pack(self, parameters: Parameters) -> Array:
        """Return a new vector with a copy of the parameters."""
        vector = np.empty(self.size, self.dtype)
        for name, view in self.views(vector).items():
            view[...] = parameters[name]
        return vector

    def check(self, parameters: Parameters) -> None:
        """Raise ValueError, naming the array, unless names, shapes and precision are exactly the layout's."""
        for name in parameters.keys() - self.shapes.keys():
            raise ValueError(f"{name} is not a parameter of this network")
        for name, shape in self.shapes.items():
            if name not in parameters:
                raise ValueError(f"{name} is missing")
            array = parameters[name]
            if array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}, not {shape}")
            if array.dtype != self.dtype:
                raise ValueError(f"{name} is {array.dtype}, not {self.dtype}")


def dense_shapes(widths: Sequence[int]) -> list[dict[str, Shape]]:
    """Return the shapes of dense layers' parameters, for the widths from the input to the output."""
    return [{"weights": (n_in, n_out), "biases": (n_out,)} for n_in, n_out in pairwise(widths)]
