"""The layout of all parameters in one flat vector: layer by layer, the weights, then the biases.

An optimizer updates the vector in one sweep; views of it have the parameters' names and shapes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from shared.network.arrays import Array, Parameters


class Layout:
    """The names, shapes and offsets of all parameters, for the widths from the input to the output."""

    def __init__(self, widths: Sequence[int], dtype: np.dtype[np.floating]) -> None:
        self.dtype = dtype
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.layers: list[slice] = []
        start = 0
        for number, (n_in, n_out) in enumerate(pairwise(widths), start=1):
            self.shapes[f"layer{number}.weights"] = (n_in, n_out)
            self.shapes[f"layer{number}.biases"] = (n_out,)
            self.layers.append(slice(start, start + n_in * n_out + n_out))
            start = self.layers[-1].stop
        self.size = start

    def views(self, vector: Array) -> Parameters:
        """Return each parameter as a view of its part of the vector."""
        views: Parameters = {}
        start = 0
        for name, shape in self.shapes.items():
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
