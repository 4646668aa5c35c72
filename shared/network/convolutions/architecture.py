"""The architecture of a convolutional network: its layers in order, created anew for each set of arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shared.network.convolutions.batch_normalization import BatchNormalization
from shared.network.convolutions.blocks import Block
from shared.network.convolutions.convolution import Convolution, margins
from shared.network.convolutions.dense import Dense, Flatten
from shared.network.convolutions.elementwise import Activations, Biases, Dropout
from shared.network.convolutions.layer import CHUNK, Layer, Shape
from shared.network.convolutions.max_pooling import MaxPooling
from shared.network.errors import ConfigurationError
from shared.network.layers.activations import Activation

MAX_ACTIVATIONS = 2**22
"""The most numbers that the layers may store for one image: a training stores those of a chunk in each thread, and
their derivatives, which is 1 GiB in float32. Numbers that a chunk's images share count in equal parts for each."""


class Numbered(NamedTuple):
    """A layer and the number in the names of its parameters, from 1; the layers of a block share one."""

    number: int
    layer: Layer


@dataclass(frozen=True)
class Architecture:
    """Convolutional blocks, then dense layers, for images (H, W, C).

    Raises ConfigurationError, which names the block and its input, if the blocks do not fit the images or each other.
    """

    image_shape: tuple[int, int, int]
    blocks: Sequence[Block]
    hidden: Sequence[int]
    classes: int
    activation: Activation
    dropout: float = 0.0

    def __post_init__(self) -> None:
        H, W, C = self.image_shape
        shape: Shape = (H, C, W)
        stored = math.prod(shape)
        for index, block in enumerate(self.blocks):
            _check_fit(index, block, shape)
            for layer in self._block(shape, block, folded=False):
                stored += math.prod(layer.output) + layer.lowered + layer.shared // CHUNK
                if stored > MAX_ACTIVATIONS:
                    raise ConfigurationError(
                        f"convolutions.{index}",
                        f"with the input {_shown(shape)} brings the network to {stored:,} numbers for each image, more"
                        f" than {MAX_ACTIVATIONS:,}; take fewer filters, a smaller kernel_size, larger strides"
                        " or pool_size, or smaller images",
                    )
                shape = layer.output

    def layers(self, *, folded: bool = False) -> list[Numbered]:
        """Return new layers.

        folded: those of a trained network, whose normalizations are part of the convolutions' weights and biases, and
        which has no dropout.
        """
        H, W, C = self.image_shape
        shape: Shape = (H, C, W)
        layers: list[Numbered] = []
        for number, block in enumerate(self.blocks, start=1):
            layers += [Numbered(number, layer) for layer in self._block(shape, block, folded=folded)]
            shape = layers[-1].layer.output
        number = len(self.blocks)
        layers.append(Numbered(number, Flatten(shape)))
        for width in self.hidden:
            number += 1
            layers.append(Numbered(number, Dense(layers[-1].layer.output, width)))
            layers.append(Numbered(number, Activations((width,), self.activation)))
            if self.dropout and not folded:
                layers.append(Numbered(number, Dropout((width,), self.dropout)))
        layers.append(Numbered(number + 1, Dense(layers[-1].layer.output, self.classes)))
        return layers

    def _block(self, shape: Shape, block: Block, *, folded: bool) -> Iterator[Layer]:
        """Yield the layers of a block: convolution, normalization or biases, max pooling, activation.

        Biases and activation may follow the pooling, which leaves fewer elements: a bias does not change which element
        is the largest.
        """
        layer: Layer
        yield (layer := Convolution(shape, block.filters, block.kernel_size, block.strides, block.padding))
        normalized = block.batch_norm and not folded
        if normalized:
            yield (layer := BatchNormalization(layer.output))
        if block.pool_size > 1:
            yield (layer := MaxPooling(layer.output, block.pool_size))
        if not normalized:
            yield (layer := Biases(layer.output))
        yield Activations(layer.output, self.activation)


def _check_fit(index: int, block: Block, shape: Shape) -> None:
    """Raise ConfigurationError if the block leaves no element of an input (H, C, W)."""
    H, _, W = shape
    sides = []
    for side in (H, W):
        padded = side + sum(margins(side, block.kernel_size, block.strides, block.padding))
        if block.kernel_size > padded:
            raise ConfigurationError(
                f"convolutions.{index}.kernel_size",
                f"must fit the input of the block, {_shown(shape)}, without padding; got {block.kernel_size}",
            )
        sides.append((padded - block.kernel_size) // block.strides + 1)
    if block.pool_size > min(sides):
        height, width = sides
        raise ConfigurationError(
            f"convolutions.{index}.pool_size",
            f"must fit the {height} × {width} places that the convolution leaves of its input, {_shown(shape)}; got"
            f" {block.pool_size}",
        )


def _shown(shape: Shape) -> str:
    """Return (H, C, W) as people write it: 28 × 28 × 16."""
    H, C, W = shape
    return f"{H} × {W} × {C}"
