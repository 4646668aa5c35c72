"""The estimated cost of a training: multiply-adds, counted from the network's shapes before it starts."""

from __future__ import annotations

import math

from shared.network.network import Network

BACKWARD = 2
"""A layer's backward pass computes two products of the size of its forward pass: the gradients of W and of X."""

AUGMENTATION = 60
"""Estimated operations per pixel for the distortions, in multiply-adds of a matrix product that take as long."""


def inference_cost(network: Network) -> int:
    """Return the estimated multiply-adds of the forward pass per image."""
    return sum(math.prod(shape) for shape in network.layout.shapes.values())


def image_cost(network: Network) -> int:
    """Return the estimated multiply-adds of a training step per image: forward, backward and augmentation."""
    augmented = AUGMENTATION * math.prod(network.image_shape) if network.configuration.augmentation else 0
    return (1 + BACKWARD) * inference_cost(network) + augmented


def training_cost(network: Network, samples: int) -> int:
    """Return the estimated multiply-adds of the whole training on this many images, without early stopping.

    The validation split is not trained on, but passes through the network after each epoch.
    """
    configuration = network.configuration
    validation = configuration.validation_count(samples)
    each = (samples - validation) * image_cost(network) + validation * inference_cost(network)
    return configuration.epochs * each
