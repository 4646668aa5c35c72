"""The images that look most alike to a network: the nearest ones by the activations of its last hidden layer."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from shared.network.arrays import Array, Images, Parameters
from shared.network.attribution.score import images_per_pass
from shared.network.attribution.trace import activation_shapes
from shared.network.layers.checks import Check, no_check
from shared.network.layers.inputs import Indices
from shared.network.network import Network

BLOCK = 1024
"""Images in one pass, at most."""

MARGIN = 20
"""Candidates beyond the nearest ones whose distances are computed again, exactly."""


def embedding_width(network: Network) -> int:
    """Return how many numbers `embeddings` gives each image."""
    shapes = activation_shapes(network)
    return math.prod(shapes[-1]) if shapes else network.classes


def embeddings(
    network: Network, parameters: Parameters, rows: Images, indices: Indices, check: Check = no_check
) -> Array:
    """Return the activations of the last hidden layer for the rows (N, pixels) at these indices: (n, width), float32.

    n is at least 1. A network without hidden layers has only its logits. check: called after each block of images.
    """
    network.check(parameters)
    result = np.empty((len(indices), embedding_width(network)), np.float32)
    inference = network.inference(parameters, min(BLOCK, images_per_pass(network), len(indices)))
    for start in range(0, len(indices), inference.size):
        block = rows[indices[start : start + inference.size]]
        Z = inference.logits(block)
        activations = inference.activations()
        A = activations[-1][2] if activations else Z
        if A.ndim == 4:  # (H, filters, W, images)
            A = A.transpose(3, 0, 2, 1).reshape(A.shape[3], -1)
        result[start : start + len(block)] = A[: len(block)]
        check()
    return result


class Embedded:
    """Embeddings (N, width) of images, with the nearest ones to another image."""

    def __init__(self, values: Array) -> None:
        self._values = values
        self._squares = np.einsum("nw,nw->n", values, values)
        self.nbytes = values.nbytes + self._squares.nbytes

    def nearest(self, query: Array, count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
        """Return the indices of the `count` images nearest to an embedding (width,), and their distances, ascending.

        The distance is Euclidean. One product of matrices finds candidates by ‖a - q‖² = ‖a‖² - 2 a·q + ‖q‖², whose
        rounding matters for small distances; those of the candidates are computed again from the differences.
        """
        approximate = self._squares - 2 * (self._values @ query)
        most = min(count + MARGIN, len(approximate))
        candidates = np.argpartition(approximate, most - 1)[:most]
        differences = self._values[candidates].astype(np.float64) - query
        distances = np.sqrt(np.einsum("nw,nw->n", differences, differences))
        order = np.lexsort((candidates, distances))[:count]
        return candidates[order], distances[order]
