"""Dead units: the share of units in each hidden layer that no longer learn, measured after each epoch."""

from __future__ import annotations

import numpy as np

from shared.network.arrays import Array, Images
from shared.network.layers import inputs
from shared.network.layers.forward_backward import Forward
from shared.network.network import Network

SAMPLE = 512
"""The largest number of sampled images, so that the measurement takes a small part of an epoch's time."""

FLAT = 1e-3
"""Below this slope of the activation, gradients vanish."""


class DeadUnits:
    """Measures dead units on a sample of the rows (N, pixels), for the current parameters in the vector P."""

    def __init__(self, network: Network, rows: Images, indices: np.ndarray[tuple[int], np.dtype[np.intp]], P: Array):
        count = min(SAMPLE, len(indices))
        sample = indices[np.arange(count) * len(indices) // count]
        self._forward = Forward(network.layers(network.layout.views(P)), network.activation, count)
        inputs.scale(rows[sample], self._forward.X)

    def dead_units(self) -> tuple[float, ...]:
        """Return each hidden layer's share of dead units.

        A unit is dead if its activation is flat for every image of the sample, |f'(z)| < 0.001: a ReLU that is always
        0, a sigmoid or tanh that is always saturated. Its weights then get almost no gradient.
        """
        shares = []
        with np.errstate(all="ignore"):
            self._forward.run()
            for Z, A in zip(self._forward.Z, self._forward.A, strict=False):
                slope = np.ones_like(A)
                self._forward.activation.backward(Z, A, slope)
                flat = np.abs(slope) < FLAT
                shares.append(float(flat.all(axis=0).mean()))
        return tuple(shares)
