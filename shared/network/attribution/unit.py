"""One unit of a network for one image: its weights w, its inputs x, and the sum z = x · w + b that it activates.

A unit of a convolutional block is a filter at a place: of the places that max pooling covers, the one that remains. A
normalization is folded into w and b, and the first layer's x is the standardized image, as in the forward pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shared.network.arrays import Array, Images, Parameters
from shared.network.attribution.trace import Trace, activation_shapes
from shared.network.convolutions.batch_normalization import folded
from shared.network.convolutions.blocks import Block
from shared.network.convolutions.convolution import margins
from shared.network.network import Network

Place = tuple[int, int]
"""Row and column."""


@dataclass(frozen=True)
class Unit:
    """A unit and its sum. weights and inputs: in the shape of the input, or (k, k) or (k, k, C) of a filter.

    place: of the activation, if the layer has feature maps; window: the first row and column of the filter in the
    layer's input, negative in the padding. activation: the network's, f(z), or a class's probability.
    """

    weights: Array
    inputs: Array
    bias: float
    activation: float
    place: Place | None = None
    window: Place | None = None

    @property
    def terms(self) -> Array:
        """The terms w_j x_j of z, in the shape of the weights."""
        terms: Array = self.weights.astype(np.float64) * self.inputs
        return terms

    @property
    def z(self) -> float:
        """The sum x · w + b."""
        return float(self.terms.sum()) + self.bias


def layer_shapes(network: Network) -> list[tuple[int, ...]]:
    """Return the shape of each layer's activations, the last of which are the classes' probabilities."""
    return [*activation_shapes(network), (network.classes,)]


def unit(
    network: Network,
    parameters: Parameters,
    image: Images,
    seen: Trace,
    layer: int,
    number: int,
    place: Place | None = None,
) -> Unit:
    """Return a unit, or a filter, of the layer with this index, from 0.

    seen: the trace of the image. place: of a filter in its feature map; by default that of its largest activation.
    Raises IndexError if there is no such unit or place.
    """
    A = (*seen.activations, seen.probabilities)[layer]
    inputs = _standardized(network, parameters, image) if layer == 0 else seen.activations[layer - 1]
    blocks = network.configuration.convolutions
    if layer < len(blocks):
        return _filter(parameters, blocks[layer], inputs, A, layer, number, place)
    W, b = network.dense_layers(parameters)[layer - len(blocks)]
    return Unit(W[:, number].reshape(inputs.shape), inputs, float(b[number]), float(A[number]))


def _filter(
    parameters: Parameters, block: Block, X: Array, A: Array, layer: int, number: int, place: Place | None
) -> Unit:
    own = {kind: parameters[f"layer{layer + 1}.{kind}"] for kind in _kinds(block)}
    weights, biases = folded(own["weights"], own) if block.batch_norm else (own["weights"], own["biases"])
    maps = A[..., number]
    if place is None:
        row, column = np.unravel_index(int(maps.argmax()), maps.shape)
        place = int(row), int(column)
    activation = float(maps[place])
    k, stride, pool = block.kernel_size, block.strides, block.pool_size
    (top, bottom), (left, right) = (margins(side, k, stride, block.padding) for side in X.shape[:2])
    images = X.reshape(*X.shape[:2], -1).astype(np.float64)
    padded = np.pad(images, ((top, bottom), (left, right), (0, 0)))
    W = weights[..., number]
    windows = []
    for r in range(place[0] * pool, (place[0] + 1) * pool):
        for q in range(place[1] * pool, (place[1] + 1) * pool):
            x = padded[r * stride : r * stride + k, q * stride : q * stride + k]
            windows.append((float((W * x).sum()), -r, -q, x))
    _, r, q, x = max(windows, key=lambda window: window[:3])  # of equal ones the first, as max pooling
    shape = W.shape if X.ndim == 3 else W.shape[:2]
    return Unit(
        W.reshape(shape),
        x.reshape(shape),
        float(biases[number]),
        activation,
        place,
        (-r * stride - top, -q * stride - left),
    )


def _kinds(block: Block) -> tuple[str, ...]:
    return ("weights", "scale", "shift", "mean", "variance") if block.batch_norm else ("weights", "biases")


def _standardized(network: Network, parameters: Parameters, image: Images) -> Array:
    """Return the image as the first layer gets it."""
    X: Array = image.astype(network.dtype)
    if image.dtype == np.uint8:
        X *= network.dtype.type(1 / 255)
    standardization = network.standardization(parameters)
    if standardization is None:
        return X
    mean, deviation = standardization
    return (X - mean) / deviation if X.ndim == 3 else (X - mean[0]) / deviation[0]
