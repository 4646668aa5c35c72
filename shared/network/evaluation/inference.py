"""Forward passes of a trained network, in arrays that are allocated once and reused."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from shared.network.arrays import Array, Images, Parameters
from shared.network.convolutions import chunk
from shared.network.convolutions.architecture import Architecture
from shared.network.convolutions.layer import CHUNK
from shared.network.layers import inputs
from shared.network.layers.activations import Activation
from shared.network.layers.forward_backward import Forward
from shared.network.layers.inputs import Standardization

BLOCK = 1024
"""Images in one pass of a dense network, so that memory does not grow with their number."""


class Inference(ABC):
    """A forward pass of at most `size` images. Every pass has the same shape, even with fewer images."""

    size: int

    @abstractmethod
    def run(self, rows: Images) -> Array:
        """Return the probabilities (n, classes) of rows (n ≤ size, pixels), uint8 or floating point from 0 to 1.

        They are valid until the next run.
        """

    @abstractmethod
    def logits(self, rows: Images) -> Array:
        """Return the softmax's input Z (n, classes) for these rows; it is valid until the next run."""

    @abstractmethod
    def activations(self) -> Sequence[tuple[Activation, Array, Array]]:
        """Return of each hidden layer its activation function f, and Z and A = f(Z) of the last run.

        They are (size, units) or, of a convolutional block, (places, filters, places, size). Without the need for it,
        Z is A.
        """


class DenseInference(Inference):
    """The forward pass of dense layers."""

    def __init__(
        self,
        layers: Sequence[tuple[Array, Array]],
        activation: Activation,
        standardization: Standardization | None,
        images: int,
    ) -> None:
        self.size = min(images, BLOCK)
        self._standardization = standardization
        self._forward = Forward(layers, activation, self.size)
        self._forward.X.fill(0)  # zero the unused rows so that they cannot overflow

    def run(self, rows: Images) -> Array:
        """Return the probabilities of the rows."""
        self._write(rows)
        return self._forward.run()[: len(rows)]

    def logits(self, rows: Images) -> Array:
        """Return the logits of the rows."""
        self._write(rows)
        return self._forward.logits()[: len(rows)]

    def _write(self, rows: Images) -> None:
        inputs.scale(rows, self._forward.X[: len(rows)], self._standardization)

    def activations(self) -> Sequence[tuple[Activation, Array, Array]]:
        """Return f, Z and A of each hidden layer."""
        forward = self._forward
        return [(forward.activation, Z, A) for Z, A in zip(forward.Z, forward.A, strict=False)]


class ConvolutionalInference(Inference):
    """The forward pass of a convolutional network in one chunk."""

    def __init__(
        self,
        architecture: Architecture,
        parameters: Parameters,
        standardization: Standardization | None,
        images: int,
        dtype: np.dtype[Any],
    ) -> None:
        self.size = min(-(-images // chunk.MULTIPLE) * chunk.MULTIPLE, CHUNK)
        self._standardization = standardization
        self._forward = chunk.Forward(architecture, parameters, self.size, dtype)

    def run(self, rows: Images) -> Array:
        """Return the probabilities of the rows."""
        chunk.write_images(rows, self._forward.X, self._standardization)
        return self._forward.run()[: len(rows)]

    def logits(self, rows: Images) -> Array:
        """Return the logits of the rows."""
        chunk.write_images(rows, self._forward.X, self._standardization)
        return self._forward.logits()[: len(rows)]

    def activations(self) -> Sequence[tuple[Activation, Array, Array]]:
        """Return f, Z and A of each block and hidden layer."""
        last = [layer.last for layer in self._forward.activations]
        return [(function, Z.T, A.T) if A.ndim == 2 else (function, Z, A) for function, Z, A in last]
