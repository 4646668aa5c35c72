"""The protocol of a layer in a convolutional network.

Activations are (H, C, W, n): row, channel, column, image. After `Flatten` they are (features, n). The image is the last
axis, so that an operation on a chunk of images runs along contiguous memory whatever the size of the layer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from shared.network.arrays import Array, Parameters

CHUNK = 32
"""The most images in a chunk. With 256, a step takes 1.3 times as long."""

Shape: TypeAlias = tuple[int, ...]
"""The shape of one image's activations: (H, C, W) or (features,)."""

Float: TypeAlias = np.dtype[np.floating[Any]]


class Layer(ABC):
    """One layer for chunks of n images. Creating it computes shapes only; `allocate` creates the arrays of a chunk.

    A result is an array of the layer, which is valid until its next call. A layer may overwrite its input if the layer
    before does not need it for the derivatives.
    """

    output: Shape
    """The shape of one image's result."""

    parameters: Mapping[str, Shape] = {}
    """The trained parameters by name. The methods get these arrays as P, and arrays for their derivatives as dP."""

    statistics: Mapping[str, Shape] = {}
    """The arrays that training measures instead of training them."""

    lowered: int = 0
    """Numbers that the layer stores for each image besides its result."""

    shared: int = 0
    """Numbers that the layer stores for each chunk in a training, whatever the number of its images."""

    def allocate(self, n: int, dtype: Float, *, training: bool) -> None:  # noqa: B027 - some layers need no arrays
        """Create the arrays for chunks of n images; without `training`, only those of `forward`."""

    def allocated(self, n: int, *, training: bool) -> int:  # noqa: ARG002
        """Return how many numbers the arrays of `allocate` have together; masks count by their bytes."""
        return 0

    @abstractmethod
    def forward(self, X: Array, P: Parameters) -> Array:
        """Return the layer's result Y for X."""

    def gradients(self, dY: Array, P: Parameters, dP: Parameters) -> None:  # noqa: B027 - not all have parameters
        """Write the derivatives of the parameters into dP, given those of the last result."""

    @abstractmethod
    def propagate(self, dY: Array, P: Parameters) -> Array:
        """Return dX, the derivatives with respect to the last input; may overwrite dY.

        In a training it is called after `gradients`. Only `BatchNormalization`, which a trained network has not, needs
        that.
        """
