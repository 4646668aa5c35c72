"""One step of training: load a mini-batch, run the forward and backward pass, update the parameters."""

from __future__ import annotations

from contextvars import copy_context
from typing import Any

import numpy as np

from shared.network.arrays import Images, Labels, Parameters
from shared.network.configuration import Configuration
from shared.network.layers.checks import Check, no_check
from shared.network.layers.forward_backward import Backward, Forward
from shared.network.layers.softmax import cross_entropy
from shared.network.network import Network
from shared.network.optimization import parameter_update
from shared.network.optimization.optimizers import SGD
from shared.network.optimization.parameter_update import Update
from shared.network.training import loader
from shared.network.training.convolutional_step import ConvolutionalStep
from shared.network.training.loader import BatchLoader, Prefetcher
from shared.network.training.per_image_step import PerImageStep


def step_for(
    network: Network,
    parameters: Parameters,
    rows: Images,
    y: Labels,
    rng: np.random.Generator,
    threads: int = 1,
    check: Check = no_check,
) -> TrainStep | PerImageStep | ConvolutionalStep:
    """Return the fastest step for the configuration. Only that of a convolutional network uses several threads.

    check: called between the parts of long work.
    """
    if network.configuration.convolutions:
        return ConvolutionalStep(network, parameters, rows, y, threads, check)
    if _is_plain(network.configuration):
        return PerImageStep(network, parameters, rows, y)
    return TrainStep(network, parameters, rows, y, rng, check)


def _is_plain(configuration: Configuration) -> bool:
    """Return whether the configuration is SGD on single images as they are, without regularization or clipping."""
    extras = (
        configuration.standardize,
        configuration.weight_decay,
        configuration.dropout,
        configuration.label_smoothing,
        configuration.gradient_clip,
        configuration.augmentation,
    )
    return configuration.batch_size == 1 and isinstance(configuration.optimizer, SGD) and not any(extras)


class TrainStep:
    """Training steps on mini-batches of the rows (N, pixels) with labels y (N,), from the given initial parameters.

    The vector P holds the parameters; every step changes it in place. rng: random generator for the dropout masks.
    check: called while the rows are examined.
    """

    def __init__(
        self,
        network: Network,
        parameters: Parameters,
        rows: Images,
        y: Labels,
        rng: np.random.Generator,
        check: Check = no_check,
    ) -> None:
        configuration = network.configuration
        self.P = network.layout.pack(parameters)
        self.dP = np.empty(network.layout.trained, self.P.dtype)
        self.update = Update(configuration.optimizer, self.P[: len(self.dP)], self.dP, network.layout.layers)
        self.gradient_norm = 0.0
        """The norm of the last mini-batch's gradient, before clipping."""

        self.layer_norms: list[float] = []
        """The norms of each layer's gradient, from the first layer, in the mini-batch that was measured last."""

        self.lookahead = 0
        """The number of next images that a step can use."""

        if configuration.augmentation and configuration.batch_size * rows.shape[1] >= loader.PREFETCH_FROM_PIXELS:
            self.lookahead = configuration.batch_size

        self._network = network
        self._configuration = configuration
        self._loader = BatchLoader(network, rows, network.standardization(parameters), check)
        self._prefetcher = Prefetcher(self._loader.fill)
        self._y = y
        self._dropout = (configuration.dropout, rng) if configuration.dropout else None
        self._layers, self._derivatives = (network.dense_layers(network.layout.views(V)) for V in (self.P, self.dP))
        self._passes: dict[int, Backward] = {}
        # Entering np.errstate takes as long as two small computations; entering a context that has it does not.
        self._context = copy_context()
        self._context.run(np.seterr, all="ignore")

    def run(
        self, batch: Labels, factor: float, following: Labels | None = None, measures: bool = False
    ) -> tuple[float, int]:
        """Train on the images at these indices; return their summed loss and the correct predictions, before the step.

        factor: the schedule's factor on the learning rate. following: the images of the next step, if `lookahead` is
        not 0; a second thread prepares them. measures: whether to set `layer_norms`. An overflow raises no warning;
        this loss or the next one is not finite.
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
        self.update.begin_step(factor)
        return self._context.run(self._train, backward, y, measures)

    def settle(self) -> None:
        """Do nothing: P is always up to date."""

    def state(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the step's state besides P, the optimizer's and the generator's state: it has none."""
        return {}

    def restore(self, state: dict[str, np.ndarray[Any, Any]]) -> None:
        """Do nothing: `state` is empty."""

    def _train(self, backward: Backward, y: Labels, measures: bool) -> tuple[float, int]:
        P = backward.forward.run()
        loss = cross_entropy(P, y)
        correct = int(np.count_nonzero(P.argmax(axis=1) == y))
        if self._configuration.update_order == "layerwise":
            self._update_layerwise(backward, y)
        else:
            self._update_together(backward, y, measures)
        return loss, correct

    def _update_together(self, backward: Backward, y: Labels, measures: bool) -> None:
        backward.run(y)
        self.gradient_norm = parameter_update.norm(self.dP)
        if measures:
            self.layer_norms = parameter_update.norms(self.dP, self._network.layout.layers)
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
        self.layer_norms = norms[::-1]

    def _decay(self, layers: range | list[int]) -> None:
        rate = self._configuration.weight_decay
        if rate:
            parameter_update.decay(((self._layers[layer][0], self._derivatives[layer][0]) for layer in layers), rate)

    def _pass(self, rows: int) -> Backward:
        """Return the arrays for this many rows: one set for full mini-batches, one for an epoch's last."""
        if rows not in self._passes:
            forward = Forward(self._layers, self._network.activation, rows, self._dropout)
            self._passes[rows] = Backward(forward, self._derivatives, self._configuration.label_smoothing)
        return self._passes[rows]
