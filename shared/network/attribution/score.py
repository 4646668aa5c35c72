"""The number that an attribution explains, and its derivatives with respect to an image's pixels.

The number is a logit, an element of the softmax's input Z, or the difference of two. Probabilities are not explained:
their gradients vanish if the network is sure.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np

from shared.network.arrays import Array, Images, Parameters
from shared.network.convolutions import chunk
from shared.network.convolutions.architecture import Architecture
from shared.network.convolutions.layer import CHUNK
from shared.network.layers import inputs
from shared.network.layers.forward_backward import Forward, Propagation
from shared.network.layers.inputs import Standardization
from shared.network.network import Network

PASS_BYTES = 32 * 1024 * 1024
"""The most bytes for the arrays of a pass, unless a single image takes more."""

BLOCK = 64
"""Images in one pass of a dense network."""


class Score:
    """F(x): the logit of the class `target`, less that of the class `against` if there is one.

    images: the number of images that a caller will pass together, at most; a pass has `size` of them.
    Raises ValueError if a class does not exist, or both are the same.
    """

    def __init__(
        self, network: Network, parameters: Parameters, target: int, against: int | None = None, images: int = 1
    ) -> None:
        classes = range(network.classes)
        if target not in classes or (against is not None and against not in classes):
            raise ValueError(f"target and against must be from 0 to {network.classes - 1}; got {target} and {against}")
        if target == against:
            raise ValueError(f"target and against must be different classes; both are {target}")
        network.check(parameters)
        self.network = network
        self._direction = np.zeros(network.classes, network.dtype)
        self._direction[target] = 1
        if against is not None:
            self._direction[against] = -1
        self._pass = _pass(network, parameters, images)
        self.size = self._pass.size
        """The most rows of `values` and `gradients`."""

    def values(self, rows: Images) -> Array:
        """Return F of rows (n ≤ size, pixels) of numbers from 0 to 1: (n,)."""
        values: Array = self._pass.logits(rows) @ self._direction
        return values

    def gradients(self, rows: Images) -> Array:
        """Return ∂F/∂x for these rows: (n, pixels), valid until the next call."""
        self._pass.logits(rows)
        return self._pass.to_input(self._direction)[: len(rows)]


class _Pass(ABC):
    """A forward and backward pass of at most `size` images, in arrays that are allocated once."""

    size: int

    @abstractmethod
    def logits(self, rows: Images) -> Array:
        """Return Z (n, classes) of rows (n, pixels)."""

    @abstractmethod
    def to_input(self, direction: Array) -> Array:
        """Return the derivatives of Z · direction with respect to the last rows (size, pixels), not standardized."""


class _DensePass(_Pass):
    def __init__(self, network: Network, parameters: Parameters, images: int) -> None:
        self.size = images
        self._standardization = network.standardization(parameters)
        self._forward = Forward(network.dense_layers(parameters), network.activation, images)
        self._forward.X.fill(0)  # zero the unused rows so that they cannot overflow
        self._propagation = Propagation(self._forward)
        self._dX = np.empty_like(self._forward.X)

    def logits(self, rows: Images) -> Array:
        inputs.scale(rows, self._forward.X[: len(rows)], self._standardization)
        return self._forward.logits()[: len(rows)]

    def to_input(self, direction: Array) -> Array:
        self._propagation.to_input(np.tile(direction, (self.size, 1)), self._dX)
        return _unstandardized(self._dX, self._standardization)


class _ConvolutionalPass(_Pass):
    def __init__(self, architecture: Architecture, network: Network, parameters: Parameters, images: int) -> None:
        self.size = images
        self._standardization = network.standardization(parameters)
        self._forward = chunk.Forward(architecture, parameters, images, network.dtype, backward=True)

    def logits(self, rows: Images) -> Array:
        chunk.write_images(rows, self._forward.X, self._standardization)
        return self._forward.logits()[: len(rows)]

    def to_input(self, direction: Array) -> Array:
        dX = self._forward.to_input(np.tile(direction, (self.size, 1)))  # (H, C, W, n)
        return _unstandardized(dX.transpose(3, 0, 2, 1).reshape(self.size, -1), self._standardization)


def _pass(network: Network, parameters: Parameters, images: int) -> _Pass:
    """Return a pass of at most this many images, or fewer: what fits into `PASS_BYTES`, but at least one."""
    most = images_per_pass(network)
    if network.architecture is not None:
        return _ConvolutionalPass(network.architecture, network, parameters, min(images, most, CHUNK))
    return _DensePass(network, parameters, min(images, most, BLOCK))


def pass_bytes(network: Network, images: int) -> int:
    """Return the bytes of the arrays of a pass for this many images: those of `Score`."""
    return _numbers_per_image(network) * network.dtype.itemsize * min(images, images_per_pass(network))


def images_per_pass(network: Network) -> int:
    """Return for how many images the arrays of a pass fit into `PASS_BYTES`, but at least one."""
    return max(1, PASS_BYTES // (_numbers_per_image(network) * network.dtype.itemsize))


def _numbers_per_image(network: Network) -> int:
    """Return how many numbers a pass stores for each image."""
    pixels = math.prod(network.image_shape)
    if network.architecture is None:
        return 2 * pixels + 3 * sum(network.widths[1:])
    layers = network.architecture.layers(folded=True)
    return 2 * pixels + sum(layer.allocated(1, training=True) - layer.shared for _, layer in layers)


def _unstandardized(dX: Array, standardization: Standardization | None) -> Array:
    """Convert derivatives (n, pixels) by standardized inputs to those by pixels from 0 to 1."""
    if standardization is not None:
        standardization.propagate(dX.reshape(len(dX), -1, len(standardization.deviation)))
    return dX
