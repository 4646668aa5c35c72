"""One step of training: gather a mini-batch, run it forward and back, update the parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.network.arrays import Images, Labels, Parameters
from shared.network.configuration import Configuration
from shared.network.layers.forward_backward import Backward, Forward
from shared.network.layers.softmax import cross_entropy
from shared.network.network import Network
from shared.network.optimization import parameter_update
from shared.network.optimization.optimizers import SGD
from shared.network.optimization.parameter_update import Update
from shared.network.training import loader
from shared.network.training.loader import BatchLoader, Prefetcher
from shared.network.training.per_image_step import PerImageStep


def step_for(
    network: Network, parameters: Parameters, rows: Images, y: Labels, rng: np.random.Generator
) -> TrainStep | PerImageStep:
    """Give the step that suits the configuration best."""
    if _is_plain(network.configuration):
        return PerImageStep(network, parameters, rows, y)
    return TrainStep(network, parameters, rows, y, rng)


def _is_plain(configuration: Configuration) -> bool:
    """Say whether images come one by one, as they are, and nothing but their loss's gradient moves the parameters."""
    extras = (
        configuration.weight_decay,
        configuration.dropout,
        configuration.label_smoothing,
        configuration.gradient_clip,
        configuration.augmentation,
    )
    return configuration.batch_size == 1 and isinstance(configuration.optimizer, SGD) and not any(extras)


class TrainStep:
    """Steps over mini-batches of the rows (N, pixels) with labels y (N,), starting from the given parameters.

    The parameters live on in the vector P, which every step changes in place. rng: what decides whom dropout drops.
    """

    def __init__(
        self, network: Network, parameters: Parameters, rows: Images, y: Labels, rng: np.random.Generator
    ) -> None:
        configuration = network.configuration
        self.P = network.layout.pack(parameters)
        self.dP = np.empty_like(self.P)
        self.update = Update(configuration.optimizer, self.P, self.dP, network.layout.layers)
        self.gradient_norm = 0.0
        """The norm of the last mini-batch's gradient, before clipping."""

        self.lookahead = 0
        """How many images beyond its own a step would know."""

        if configuration.augmentation and configuration.batch_size * rows.shape[1] >= loader.PREFETCH_FROM_PIXELS:
            self.lookahead = configuration.batch_size

        self._network = network
        self._configuration = configuration
        self._loader = BatchLoader(network, rows)
        self._prefetcher = Prefetcher(self._loader.fill)
        self._y = y
        self._dropout = (configuration.dropout, rng) if configuration.dropout else None
        self._layers, self._derivatives = (network.layers(network.layout.views(V)) for V in (self.P, self.dP))
        self._passes: dict[int, Backward] = {}

    def run(self, batch: Labels, factor: float, following: Labels | None = None) -> tuple[float, int]:
        """Train on the images at these indices; give their loss, summed, and how many were right before it.

        factor: what the schedule makes of the learning rate. following: the images of the next step, if `lookahead`
        asks for them, to be made ready meanwhile. What overflows raises no warning: it shows in this loss or in the
        next step's.
        """
        backward = self._pass(len(batch))
        forward = backward.forward
        y = self._y.take(batch)
        number = self.update.steps
        if self.lookahead:
            forward.X = self._prefetcher.take(batch, number, forward.X)
            if following is not None and len(following):
                self._prefetcher.start(following, number + 1, forward.X)
        else:
            forward.narrow(self._loader.width(batch))
            self._loader.fill(batch, number, forward.X)
        with np.errstate(all="ignore"):
            P = forward.run()
            loss = cross_entropy(P, y)
            correct = int(np.count_nonzero(P.argmax(axis=1) == y))
            self.update.begin_step(factor)
            if self._configuration.update_order == "layerwise":
                self._update_layerwise(backward, y)
            else:
                self._update_together(backward, y)
        return loss, correct

    def settle(self) -> None:
        """Bring P up to the last step, as it always is."""

    def state(self) -> dict[str, np.ndarray[Any, Any]]:
        """Give what a step needs to go on besides P, the optimizer's and the generator's state: nothing."""
        return {}

    def restore(self, state: dict[str, np.ndarray[Any, Any]]) -> None:
        """Go on where `state` was taken."""

    def _update_together(self, backward: Backward, y: Labels) -> None:
        backward.run(y)
        self.gradient_norm = parameter_update.norm(self.dP)
        if self._configuration.gradient_clip is not None:
            parameter_update.clip(self.dP, self.gradient_norm, self._configuration.gradient_clip)
        self._decay(range(len(self._layers)))
        self.update.apply_all()

    def _update_layerwise(self, backward: Backward, y: Labels) -> None:
        norms = []

        def update(layer: int) -> None:
            norms.append(parameter_update.norm(self.dP[self._network.layout.layers[layer]]))
            self._decay([layer])
            self.update.apply(layer)

        backward.run(y, update)
        self.gradient_norm = float(np.linalg.norm(norms))

    def _decay(self, layers: range | list[int]) -> None:
        rate = self._configuration.weight_decay
        if rate:
            parameter_update.decay(((self._layers[layer][0], self._derivatives[layer][0]) for layer in layers), rate)

    def _pass(self, rows: int) -> Backward:
        """Give the arrays for this many rows: one set for whole mini-batches, one for an epoch's last."""
        if rows not in self._passes:
            forward = Forward(self._layers, self._network.activation, rows, self._dropout)
            self._passes[rows] = Backward(forward, self._derivatives, self._configuration.label_smoothing)
        return self._passes[rows]
