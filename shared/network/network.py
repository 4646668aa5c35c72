"""The network: an architecture that creates, checks and applies parameters, but does not store them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from shared.network.arrays import Array, Images, Labels, Parameters
from shared.network.configuration import Configuration
from shared.network.convolutions.architecture import Architecture
from shared.network.errors import ConfigurationError
from shared.network.evaluation.evaluation import Evaluation
from shared.network.evaluation.inference import ConvolutionalInference, DenseInference, Inference
from shared.network.evaluation.predictions import PredictionColumns
from shared.network.layers import inputs
from shared.network.layers.activations import ACTIVATIONS
from shared.network.layers.checks import Check, no_check
from shared.network.layers.initializers import INITIALIZERS
from shared.network.layers.inputs import Indices, Standardization
from shared.network.layers.layout import Layout, Shape, dense_shapes

STANDARDIZATION = ("input.mean", "input.deviation")
"""The names of the parameters that standardize the input."""


class Network:
    """An image's pixels through convolutional blocks, if configured, and dense layers to softmax probabilities.

    image_shape: (H, W) in pixels, or (H, W, C) with C numbers for each pixel. classes: the number of classes, at
    least 2. Raises ConfigurationError if the configuration does not suit the images.
    """

    def __init__(self, image_shape: Sequence[int], classes: int, configuration: Configuration) -> None:
        self.image_shape = tuple(int(side) for side in image_shape)
        self.classes = int(classes)
        self.configuration = configuration
        if math.prod(self.image_shape) < 1:
            raise ValueError(f"images of shape {self.image_shape} have no pixels")
        if self.classes < 2:
            raise ValueError(f"a network needs at least 2 classes; got {self.classes}")
        if configuration.augmentation:
            configuration.augmentation.check(self.image_shape)
        if configuration.convolutions and len(self.image_shape) not in {2, 3}:
            raise ConfigurationError("convolutions", "needs images with a height and a width")
        self.dtype = np.dtype(configuration.dtype)
        self.activation = ACTIVATIONS[configuration.activation]
        self.architecture = self._architecture() if configuration.convolutions else None
        """The layers of a convolutional network; None for one of dense layers alone."""

        self.widths = (math.prod(self.image_shape), *configuration.hidden, self.classes)
        """The widths of the dense layers, from input to output; of a convolutional network without the first."""

        layers: list[dict[str, Shape]] = dense_shapes(self.widths)
        statistics: dict[str, Shape] = {}
        if configuration.standardize:
            statistics = dict.fromkeys(STANDARDIZATION, (self.channels,))
        if self.architecture is not None:
            layers = [{} for _ in range(self.hidden_layers + 1)]
            for number, layer in self.architecture.layers():
                layers[number - 1] |= layer.parameters
                statistics |= {f"layer{number}.{name}": shape for name, shape in layer.statistics.items()}
        self.layout = Layout(layers, self.dtype, statistics)

    def _architecture(self) -> Architecture:
        H, W = self.image_shape[:2]
        configuration = self.configuration
        return Architecture(
            image_shape=(H, W, self.channels),
            blocks=configuration.convolutions,
            hidden=configuration.hidden,
            classes=self.classes,
            activation=self.activation,
            dropout=configuration.dropout,
        )

    @property
    def channels(self) -> int:
        """The numbers for each pixel."""
        return self.image_shape[2] if len(self.image_shape) == 3 else 1

    @property
    def hidden_layers(self) -> int:
        """The number of convolutional blocks and hidden dense layers."""
        return len(self.configuration.convolutions) + len(self.configuration.hidden)

    @property
    def parameter_count(self) -> int:
        """The number of trained parameters."""
        return self.layout.trained

    def check_parameter_count(self, limit: int) -> None:
        """Raise ConfigurationError, which names the largest layer, if the network has more parameters than this."""
        if self.parameter_count <= limit:
            return
        sizes = [part.stop - part.start for part in self.layout.layers]
        largest = int(np.argmax(sizes))
        *inputs, _ = self.layout.shapes[f"layer{largest + 1}.weights"]
        blocks = len(self.configuration.convolutions)
        if largest < blocks:
            field = f"convolutions.{largest}"
        elif self.configuration.hidden:
            field = "hidden"
        else:
            field = "convolutions" if blocks else "hidden"
        raise ConfigurationError(
            field,
            f"must give a network of at most {limit:,} parameters; got {self.parameter_count:,}, of which layer"
            f" {largest + 1} with {math.prod(inputs):,} inputs for each unit has {sizes[largest]:,}",
        )

    def initialize(self, rng: np.random.Generator) -> Parameters:
        """Return new parameters, drawn by the configuration's initializer. Normalizations begin as the identity."""
        parameters = self.layout.views(np.zeros(self.layout.size, self.dtype))
        initializer = INITIALIZERS[self.configuration.initializer]
        for name, array in parameters.items():
            layer, _, kind = name.partition(".")
            if kind == "weights":
                biases = parameters.get(f"{layer}.biases")
                if biases is None:
                    biases = np.empty(array.shape[-1], self.dtype)
                initializer(rng, array.reshape(-1, array.shape[-1]), biases)
            elif kind in {"scale", "variance", "deviation"}:
                array[:] = 1
        return parameters

    def standardize(self, parameters: Parameters, rows: Images, indices: Indices, check: Check = no_check) -> None:
        """Write mean and deviation of the rows (N, pixels) at these indices into the parameters.

        check: called for each block of rows.
        """
        measured = Standardization.measure(rows, indices, self.channels, self.dtype, check)
        for name, array in zip(STANDARDIZATION, measured, strict=True):
            parameters[name][:] = array

    def standardization(self, parameters: Mapping[str, Array]) -> Standardization | None:
        """Return what standardizes the input, or None if the configuration does not ask for it."""
        if not self.configuration.standardize:
            return None
        return Standardization(*(parameters[name] for name in STANDARDIZATION))

    def dense_layers(self, parameters: Mapping[str, Array]) -> list[tuple[Array, Array]]:
        """Return each dense layer's weights (in, out) and biases (out,), from the first to the last."""
        first = len(self.configuration.convolutions) + 1
        return [
            (parameters[f"layer{number}.weights"], parameters[f"layer{number}.biases"])
            for number in range(first, self.hidden_layers + 2)
        ]

    def inference(self, parameters: Parameters, images: int) -> Inference:
        """Return a forward pass with arrays of its own, for at most `images` images at a time, or fewer: its `size`."""
        standardization = self.standardization(parameters)
        if self.architecture is not None:
            return ConvolutionalInference(self.architecture, parameters, standardization, images, self.dtype)
        return DenseInference(self.dense_layers(parameters), self.activation, standardization, images)

    def check(self, parameters: Parameters) -> None:
        """Raise ValueError, naming the array, unless names, shapes and precision are exactly the network's."""
        self.layout.check(parameters)

    def probabilities(self, parameters: Parameters, images: Images, check: Check = no_check) -> Array:
        """Return each image's probability of every class: (N, classes), each row summing to 1.

        images: uint8, or floating point from 0 to 1; (N, *image_shape) or (N, pixels). Raises ValueError for others.
        check: called after each block of images.
        """
        rows = inputs.as_rows(images, self.image_shape)
        P = np.empty((len(rows), self.classes), self.dtype)
        for block, P_block in self._blocks(parameters, rows):
            P[block] = P_block
            check()
        return P

    def evaluate(self, parameters: Parameters, images: Images, labels: Labels, check: Check = no_check) -> Evaluation:
        """Evaluate the predictions for labelled images, N ≥ 1. Raises ValueError for arrays that do not match.

        check: called after each block of images.
        """
        return self.evaluate_each(parameters, images, labels, check)[0]

    def evaluate_each(
        self, parameters: Parameters, images: Images, labels: Labels, check: Check = no_check
    ) -> tuple[Evaluation, PredictionColumns]:
        """Evaluate as `evaluate` does, and also return the prediction for each image."""
        rows = inputs.as_rows(images, self.image_shape)
        if not len(rows):
            raise ValueError("an evaluation needs at least one image")
        y = inputs.as_labels(labels, len(rows), self.classes)
        predictions = PredictionColumns.empty(len(rows), self.classes, self.dtype)
        found: Evaluation | None = None  # summed as they come: each holds (classes, classes) numbers
        for block, P in self._blocks(parameters, rows):
            evaluation = Evaluation.of(P, y[block])
            predictions.write(block, P, y[block])
            found = evaluation if found is None else found + evaluation
            check()
        assert found is not None
        return found, predictions

    def _blocks(self, parameters: Parameters, rows: Images) -> Iterator[tuple[slice, Array]]:
        """Yield the probabilities of the rows, block by block; a block's are valid until the next one."""
        self.check(parameters)
        inference = None
        start = 0
        while start < len(rows):
            left = len(rows) - start
            if inference is None or left < inference.size:
                inference = self.inference(parameters, left)
            block = slice(start, min(start + inference.size, len(rows)))
            yield block, inference.run(rows[block])
            start = block.stop
