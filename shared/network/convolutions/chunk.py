"""The pass of a chunk of images through a convolutional network, forward and backward, in arrays allocated once.

A mini-batch is split into chunks of at most `layer.CHUNK` images: the arrays of a chunk stay in the processor's cache,
and several threads can work on different chunks. Each chunk has derivatives of its own, so their sum does not depend
on which thread computes which chunk.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.network.arrays import Array, Images, Labels, Parameters
from shared.network.convolutions.architecture import Architecture
from shared.network.convolutions.batch_normalization import BatchNormalization, folded
from shared.network.convolutions.elementwise import Activations, Dropout
from shared.network.layers.inputs import Standardization
from shared.network.layers.softmax import logit_gradient, smoothed_logit_gradient, softmax

MULTIPLE = 8
"""A forward pass is filled up to a multiple of this, so that an image gives the same bits in each."""


class Forward:
    """The forward pass of at most n images through a trained network, whose parameters are read once.

    backward: whether `to_input` is needed, which takes more arrays.
    """

    def __init__(
        self,
        architecture: Architecture,
        parameters: Parameters,
        n: int,
        dtype: np.dtype[Any],
        *,
        backward: bool = False,
    ) -> None:
        H, W, C = architecture.image_shape
        self.X = np.zeros((H, C, W, n), dtype)
        """The caller writes the images here; unused ones stay 0."""

        self._layers = [(layer, _folded(parameters, number)) for number, layer in architecture.layers(folded=True)]
        for layer, _ in self._layers:
            layer.allocate(n, dtype, training=backward)
        self.activations = [layer for layer, _ in self._layers if isinstance(layer, Activations)]
        """The activations in order: one for each block and hidden layer."""

    def run(self) -> Array:
        """Return the probabilities (n, classes) of the images in X; they are valid until the next run."""
        P = self.logits()
        softmax(P, P)
        return P

    def logits(self) -> Array:
        """Return the softmax's input Z (n, classes) for the images in X; it is valid until the next run."""
        A = self.X
        for layer, P in self._layers:
            A = layer.forward(A, P)
        return A.T

    def to_input(self, dZ: Array) -> Array:
        """Return the derivative with respect to X of Σ dZ · Z, for the last Z and a constant dZ (n, classes).

        It overwrites activations, and is valid until the next call.
        """
        dY = dZ.T
        for layer, P in reversed(self._layers):
            dY = layer.propagate(dY, P)
        return dY


class TrainingPass:
    """The forward and backward pass of n images during training."""

    def __init__(self, architecture: Architecture, n: int, dtype: np.dtype[Any]) -> None:
        H, W, C = architecture.image_shape
        self.X = np.empty((H, C, W, n), dtype)
        """The caller writes the images here."""

        self._layers = architecture.layers()
        for _, layer in self._layers:
            layer.allocate(n, dtype, training=True)
        self._dropouts = [layer for _, layer in self._layers if isinstance(layer, Dropout)]
        self._normalizations = [
            (number, layer) for number, layer in self._layers if isinstance(layer, BatchNormalization)
        ]

    def forward(self, parameters: list[Parameters], rng: np.random.Generator | None) -> Array:
        """Return the probabilities (n, classes) of the images in X. `rng` draws the dropout masks.

        parameters: those of each numbered layer, from the first.
        """
        for dropout in self._dropouts:
            assert rng is not None
            dropout.rng = rng
        A = self.X
        for number, layer in self._layers:
            A = layer.forward(A, parameters[number - 1])
        P = A.T
        softmax(P, P)
        return P

    def backward(
        self,
        P: Array,
        y: Labels,
        parameters: list[Parameters],
        derivatives: list[Parameters],
        *,
        count: int,
        smoothing: float,
    ) -> None:
        """Write the derivatives of the chunk's summed loss, divided by `count`; P is the result of `forward`."""
        if smoothing:
            smoothed_logit_gradient(P, y, smoothing, count)
        else:
            logit_gradient(P, y, count)
        dY = P.T
        first = self._layers[0].layer
        for number, layer in reversed(self._layers):
            layer.gradients(dY, parameters[number - 1], derivatives[number - 1])
            if layer is not first:
                dY = layer.propagate(dY, parameters[number - 1])

    def measured(self) -> dict[str, Array]:
        """Return the statistics of this chunk's normalizations, by their names in the network."""
        return {
            f"layer{number}.{name}": array
            for number, layer in self._normalizations
            for name, array in layer.measured().items()
        }


def write_images(rows: Images, X: Array, standardization: Standardization | None) -> None:
    """X (H, C, W, n) ← the first images of rows (≤ n, H·W·C), as numbers from 0 to 1, then standardized."""
    H, C, W, _ = X.shape
    inside = X[..., : len(rows)]
    np.copyto(inside, rows.reshape(len(rows), H, W, C).transpose(1, 3, 2, 0), casting="same_kind")
    unit = 1 / 255 if rows.dtype == np.uint8 else 1.0
    if standardization is not None:
        standardization.apply_to_images(inside, unit)
    elif rows.dtype == np.uint8:
        inside *= X.dtype.type(unit)


def _folded(parameters: Parameters, number: int) -> Parameters:
    """Return the parameters of one numbered layer, a normalization folded into its weights and biases."""
    prefix = f"layer{number}."
    own = {name.removeprefix(prefix): array for name, array in parameters.items() if name.startswith(prefix)}
    if "scale" not in own:
        return own
    weights, biases = folded(own["weights"], own)
    return {"weights": weights, "biases": biases}
