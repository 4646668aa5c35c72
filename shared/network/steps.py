"""One step of training: gather a mini-batch, run it forward and back, update the parameters."""

from __future__ import annotations

import numpy as np

from shared.network import inputs
from shared.network.arrays import Images, Labels, Parameters
from shared.network.network import Network
from shared.network.optimizers import SGD
from shared.network.passes import Backward, Forward
from shared.network.single import SingleStep
from shared.network.softmax import cross_entropy
from shared.network.update import Update


def step_for(network: Network, parameters: Parameters, rows: Images, y: Labels) -> Step | SingleStep:
    """Give the step that suits the configuration best."""
    configuration = network.configuration
    single = configuration.batch_size == 1 and isinstance(configuration.optimizer, SGD)
    return (SingleStep if single else Step)(network, parameters, rows, y)


class Step:
    """Steps over mini-batches of the rows (N, pixels) with labels y (N,), starting from the given parameters.

    The parameters live on in the vector P, which every step changes in place.
    """

    def __init__(self, network: Network, parameters: Parameters, rows: Images, y: Labels) -> None:
        self.P = network.layout.pack(parameters)
        self.dP = np.empty_like(self.P)
        self.update = Update(network.configuration.optimizer, self.P, self.dP, network.layout.layers)
        self._network = network
        self._rows = rows
        self._y = y
        self._layerwise = network.configuration.update_order == "layerwise"
        self._passes: dict[int, Backward] = {}

    def run(self, batch: Labels, factor: float) -> tuple[float, int]:
        """Train on the images at these indices; give their loss, summed, and how many were right before it.

        factor: what the schedule makes of the learning rate.
        What overflows raises no warning: it shows in this loss or in the next step's.
        """
        backward = self._pass(len(batch))
        forward = backward.forward
        y = self._y[batch]
        inputs.scale(self._rows[batch], forward.X)
        with np.errstate(all="ignore"):
            P = forward.run()
            loss = cross_entropy(P, y)
            correct = int(np.count_nonzero(P.argmax(axis=1) == y))
            self.update.begin_step(factor)
            if self._layerwise:
                backward.run(y, self.update.apply)
            else:
                backward.run(y)
                self.update.apply_all()
        return loss, correct

    def _pass(self, rows: int) -> Backward:
        """Give the arrays for this many rows: one set for whole mini-batches, one for an epoch's last."""
        if rows not in self._passes:
            network = self._network
            layers, derivatives = (network.layers(network.layout.views(V)) for V in (self.P, self.dP))
            self._passes[rows] = Backward(Forward(layers, network.activation, rows), derivatives)
        return self._passes[rows]
