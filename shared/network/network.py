"""The network: an architecture that creates, checks and applies parameters, but does not store them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from shared.network.arrays import Array, Images, Labels, Parameters
from shared.network.configuration import Configuration
from shared.network.evaluation.evaluation import Evaluation
from shared.network.layers import inputs
from shared.network.layers.activations import ACTIVATIONS
from shared.network.layers.forward_backward import Forward
from shared.network.layers.initializers import INITIALIZERS
from shared.network.layers.layout import Layout

BLOCK = 1024
"""Images in one forward pass, so that memory does not grow with their number."""


class Network:
    """Dense layers from an image's pixels, through the configured hidden layers, to softmax probabilities.

    image_shape: the height and width of an image in pixels. classes: the number of classes, at least 2.
    """

    def __init__(self, image_shape: tuple[int, ...], classes: int, configuration: Configuration) -> None:
        self.image_shape = tuple(int(side) for side in image_shape)
        self.classes = int(classes)
        self.configuration = configuration
        if math.prod(self.image_shape) < 1:
            raise ValueError(f"images of shape {self.image_shape} have no pixels")
        if self.classes < 2:
            raise ValueError(f"a network needs at least 2 classes; got {self.classes}")
        if configuration.augmentation:
            configuration.augmentation.check(self.image_shape)
        self.widths = (math.prod(self.image_shape), *configuration.hidden, self.classes)
        self.dtype = np.dtype(configuration.dtype)
        self.activation = ACTIVATIONS[configuration.activation]
        self.layout = Layout(self.widths, self.dtype)

    @property
    def parameter_count(self) -> int:
        """The number of weights and biases."""
        return self.layout.size

    def initialize(self, rng: np.random.Generator) -> Parameters:
        """Return new parameters, drawn by the configuration's initializer."""
        parameters = self.layout.views(np.empty(self.layout.size, self.dtype))
        initializer = INITIALIZERS[self.configuration.initializer]
        for W, b in self.layers(parameters):
            initializer(rng, W, b)
        return parameters

    def layers(self, parameters: Parameters) -> list[tuple[Array, Array]]:
        """Return each layer's weights (in, out) and biases (out,), from the first layer to the last."""
        return [
            (parameters[f"layer{number}.weights"], parameters[f"layer{number}.biases"])
            for number in range(1, len(self.widths))
        ]

    def check(self, parameters: Parameters) -> None:
        """Raise ValueError, naming the array, unless names, shapes and precision are exactly the network's."""
        self.layout.check(parameters)

    def probabilities(self, parameters: Parameters, images: Images) -> Array:
        """Return each image's probability of every class: (N, classes), each row summing to 1.

        images: uint8, or floating point from 0 to 1; (N, H, W) or (N, H·W). Raises ValueError for others.
        """
        rows = inputs.as_rows(images, self.image_shape)
        P = np.empty((len(rows), self.classes), self.dtype)
        for block, P_block in self._blocks(parameters, rows):
            P[block] = P_block
        return P

    def evaluate(self, parameters: Parameters, images: Images, labels: Labels) -> Evaluation:
        """Evaluate the predictions for labelled images, N ≥ 1. Raises ValueError for arrays that do not match."""
        rows = inputs.as_rows(images, self.image_shape)
        if not len(rows):
            raise ValueError("an evaluation needs at least one image")
        y = inputs.as_labels(labels, len(rows), self.classes)
        evaluations = [Evaluation.of(P, y[block]) for block, P in self._blocks(parameters, rows)]
        return sum(evaluations[1:], start=evaluations[0])

    def _blocks(self, parameters: Parameters, rows: Images) -> Iterator[tuple[slice, Array]]:
        """Yield the probabilities of the rows, block by block; a block's are valid until the next one."""
        self.check(parameters)
        forward = None
        for start in range(0, len(rows), BLOCK):
            block = slice(start, min(start + BLOCK, len(rows)))
            if forward is None or len(forward.X) != block.stop - start:
                forward = Forward(self.layers(parameters), self.activation, block.stop - start)
            inputs.scale(rows[block], forward.X)
            yield block, forward.run()
