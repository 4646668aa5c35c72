"""The estimated cost of a training, counted from the network's shapes before it starts.

The unit is a multiply-add of a matrix product, of which a core computes 40 to 80 billion a second. Other operations
count as the multiply-adds that take as long. For eleven dense and convolutional networks on images of 28×28 and 32×32×3
pixels, time and estimate were proportional within 12 %.
"""

from __future__ import annotations

import math

from shared.network.network import Network

BACKWARD = 2
"""A layer's backward pass computes two products of the size of its forward pass: the gradients of W and of X."""

ELEMENT = 20
"""Estimated cost of an element of a convolutional network's activations for all that is not a product: copies, biases,
normalization, pooling, activation."""

AUGMENTATION = 800
"""Estimated cost of the distortions for each pixel, whose operations are much slower than those of a product."""


def inference_cost(network: Network) -> int:
    """Return the estimated multiply-adds of the forward pass per image."""
    if network.architecture is None:
        return sum(math.prod(shape) for shape in network.layout.shapes.values())
    cost = 0
    for _, layer in network.architecture.layers():
        weights = layer.parameters.get("weights", (0,))
        places = math.prod(layer.output) // layer.output[-2] if len(weights) == 4 else 1
        cost += places * math.prod(weights) + ELEMENT * math.prod(layer.output)
    return cost


def image_cost(network: Network) -> int:
    """Return the estimated multiply-adds of a training step per image: forward, backward and augmentation."""
    augmented = AUGMENTATION * math.prod(network.image_shape[:2]) if network.configuration.augmentation else 0
    return (1 + BACKWARD) * inference_cost(network) + augmented


def training_cost(network: Network, samples: int, validation: int = 0) -> int:
    """Return the estimated multiply-adds of the whole training on this many images, without early stopping.

    The images for validation are not trained on, but pass through the network after each epoch: those that the training
    holds out, or those of the data set's own split, whose number is `validation`.
    """
    configuration = network.configuration
    held_out = configuration.validation_count(samples)
    each = (samples - held_out) * image_cost(network) + (held_out + validation) * inference_cost(network)
    return configuration.epochs * each
