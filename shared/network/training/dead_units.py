"""Dead units: the share of units in each hidden layer that no longer learn, measured after each epoch.

The same forward passes give the number of classes that the network predicts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shared.network.arrays import Array, Images
from shared.network.layers.activations import Activation
from shared.network.network import Network

SAMPLE = 512
"""The largest number of sampled images, so that the measurement takes a small part of an epoch's time."""

FLAT = 1e-3
"""Below this slope of the activation, gradients vanish."""


class DeadUnits:
    """Measures dead units on a sample of the rows (N, pixels), for the current parameters in the vector P."""

    def __init__(self, network: Network, rows: Images, indices: np.ndarray[tuple[int], np.dtype[np.intp]], P: Array):
        count = min(SAMPLE, len(indices))
        self._network = network
        self._parameters = network.layout.views(P)
        self._sample = rows[indices[np.arange(count) * len(indices) // count]]
        self.predicted_classes = 0
        """How many classes the network predicts for the sample, as of the last measurement."""

    def dead_units(self) -> tuple[float, ...]:
        """Return the share of dead units in each hidden layer, and of dead filters in each convolutional block.

        A unit is dead if its activation is flat for every image of the sample, |f'(z)| < 0.001: a ReLU that is always
        0, a sigmoid or tanh that is always saturated. Its weights then get almost no gradient. A filter is dead if
        that holds at every place.
        """
        dead: list[npt.NDArray[np.bool_]] = []
        predicted: set[int] = set()
        inference = self._network.inference(self._parameters, len(self._sample))
        with np.errstate(all="ignore"):
            for start in range(0, len(self._sample), inference.size):
                # The last pass repeats images of the one before, rather than measure the unused rest of its arrays.
                first = max(0, min(start, len(self._sample) - inference.size))
                P = inference.run(self._sample[first : first + inference.size])
                predicted.update(P.argmax(axis=1).tolist())
                count = min(inference.size, len(self._sample))
                flat = [_flat(function, Z, A, count) for function, Z, A in inference.activations()]
                dead = [before & now for before, now in zip(dead, flat, strict=True)] if dead else flat
        self.predicted_classes = len(predicted)
        return tuple(float(units.mean()) for units in dead)


def _flat(function: Activation, Z: Array, A: Array, count: int) -> npt.NDArray[np.bool_]:
    """Return whether f is flat for the first `count` images, for each unit (units,) or filter (filters,)."""
    slope = np.ones_like(A)
    function.backward(Z, A, slope)
    flat = np.abs(slope) < FLAT
    images = flat[..., :count].transpose(0, 2, 3, 1).reshape(-1, flat.shape[1]) if flat.ndim == 4 else flat[:count]
    every: npt.NDArray[np.bool_] = np.logical_and.reduce(images, axis=0)
    return every
