"""The trace of one image through a network: the activations of every layer, the logits and the probabilities."""

from __future__ import annotations

from dataclasses import dataclass

from shared.network.arrays import Array, Images, Parameters
from shared.network.convolutions.elementwise import Activations
from shared.network.network import Network


@dataclass(frozen=True)
class Trace:
    """The arrays of one image.

    activations: of each layer before the last, in order, (units,) or, of a convolutional block, (H, W, filters).
    logits and probabilities: (classes,).
    """

    activations: tuple[Array, ...]
    logits: Array
    probabilities: Array


def activation_shapes(network: Network) -> list[tuple[int, ...]]:
    """Return the shapes of a trace's activations."""
    if network.architecture is None:
        return [(width,) for width in network.widths[1:-1]]
    shapes = [layer.output for _, layer in network.architecture.layers(folded=True) if isinstance(layer, Activations)]
    return [(shape[0], shape[2], shape[1]) if len(shape) == 3 else shape for shape in shapes]


def trace(network: Network, parameters: Parameters, image: Images) -> Trace:
    """Return the trace of an image, uint8 or numbers from 0 to 1. Its probabilities are those of a prediction."""
    network.check(parameters)
    inference = network.inference(parameters, 1)
    row = image.reshape(1, -1)
    Z = inference.logits(row).copy()
    P = inference.run(row).copy()
    activations = tuple(
        A[..., 0].swapaxes(1, 2).copy() if A.ndim == 4 else A[0].copy() for _, _, A in inference.activations()
    )
    return Trace(activations, Z[0], P[0])
