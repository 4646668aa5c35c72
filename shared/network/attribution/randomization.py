"""The sanity check: the same attribution with random weights (Adebayo et al. 2018, "Sanity checks for saliency maps").

If it looks the same as with the trained weights, the attribution shows the image, such as its edges, and not what the
network has learned.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from shared.network.arrays import Array, Parameters
from shared.network.network import STANDARDIZATION, Network


def randomized(network: Network, parameters: Parameters, seed: int) -> Parameters:
    """Return new weights from the network's initializer, with the trained network's standardization of the input."""
    kept = {name: array for name, array in parameters.items() if name in STANDARDIZATION}
    return network.initialize(np.random.default_rng(seed)) | kept


def rank_correlation(one: Array, other: Array) -> float:
    """Return Spearman's rank correlation of two attributions, with their signs; 0 if one is the same everywhere.

    Pixels where both are 0 do not count: where the image equals the baseline, that holds whatever the weights are, and
    with the many black pixels of a digit the correlation would always be near 1.
    """
    counted = (one != 0) | (other != 0)
    if not counted.any():
        return 0.0
    ranks = [_ranks(values[counted]) for values in (one, other)]
    centred = [each - each.mean() for each in ranks]
    norms = math.prod(float(np.linalg.norm(each)) for each in centred)
    return float(centred[0] @ centred[1]) / norms if norms else 0.0


def _ranks(values: Array) -> npt.NDArray[np.float64]:
    """Return the rank of each value (N,), from 1; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: npt.NDArray[np.float64] = (last - (counts - 1) / 2)[inverse]
    return ranks
