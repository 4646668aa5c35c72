"""A race between candidates: which trial is next, on which images, and who goes on to the next rung."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from shared.network import random_state
from shared.network.arrays import Images, Labels
from shared.network.layers.inputs import stratified
from shared.network.network import Network
from shared.network.selection.plan import plan, shortened, trial_cost, trial_epochs
from shared.network.training.training import Training


@dataclass(frozen=True)
class Trial:
    """A candidate's training in one rung, and the result on the race's validation images.

    The loss is the mean cross-entropy in nats; infinite if the training diverged.
    """

    rung: int
    candidate: int
    epochs: int
    steps: int
    cost: int
    loss: float = math.inf
    accuracy: float = 0.0


class Race:
    """Successive halving over the candidates' networks on the images (N, H, W) with labels (N,).

    A rung is won by the lowest validation losses; of equal ones, by the first candidates. The seed of the first
    candidate determines the images, the same ones for all candidates of a rung.
    """

    def __init__(self, networks: Sequence[Network], images: Images, labels: Labels) -> None:
        self._networks = networks
        self._images = images
        self._labels = labels
        self._seed = networks[0].configuration.seed
        self.plan = plan(networks, len(images))
        self._trained, self._validation = stratified(labels, self.plan.validation, self._rng(0))
        self.trials: list[Trial] = []
        """The finished trials, rung by rung, in the order of the candidates."""

        self.next: Trial | None = None
        """The next trial, without a result; None after the race."""

        self.winner: int | None = None
        """The index of the chosen candidate, None before the end of the race."""

        self.restore(())

    def entry(self) -> tuple[Network, Images, Labels]:
        """Return the network and the images of the next trial, and of the winner's training after the race."""
        if self.winner is not None:
            return self._networks[self.winner], self._images, self._labels
        assert self.next is not None
        network, rung = self._networks[self.next.candidate], self.plan.rungs[self.next.rung]
        chosen = self._trained
        if rung.images < len(chosen):
            chosen = chosen[stratified(self._labels[chosen], rung.images, self._rng(1 + self.next.rung))[1]]
        configuration = shortened(network.configuration, self.next.epochs, rung.images)
        return Network(network.image_shape, network.classes, configuration), self._images[chosen], self._labels[chosen]

    def record(self, training: Training | None) -> None:
        """Measure the finished training of the next trial; None: it has diverged."""
        result = (math.inf, 0.0)
        if training is not None:
            held_out = self._validation
            measured = training.network.evaluate(training.parameters, self._images[held_out], self._labels[held_out])
            if math.isfinite(measured.loss):
                result = (measured.loss, measured.accuracy)
        self.restore([*((trial.loss, trial.accuracy) for trial in self.trials), result])

    def restore(self, results: Iterable[tuple[float, float]]) -> None:
        """Set the losses and accuracies of the finished trials, in their order.

        Raises ValueError for more trials than the race has.
        """
        left = list(results)
        self.trials, self.next = [], None
        entries = list(range(len(self._networks)))
        for number in range(len(self.plan.rungs)):
            expected = [self._trial(number, candidate) for candidate in entries]
            finished = [
                Trial(trial.rung, trial.candidate, trial.epochs, trial.steps, trial.cost, loss, accuracy)
                for trial, (loss, accuracy) in zip(expected, left, strict=False)
            ]
            self.trials += finished
            left = left[len(finished) :]
            if len(finished) < len(expected):
                self.next = expected[len(finished)]
                self.winner = None
                return
            best = sorted(finished, key=lambda trial: trial.loss)[: -(-len(entries) // 2)]
            entries = sorted(trial.candidate for trial in best)
        if left:
            raise ValueError("the state has more trials than the race")
        self.winner = entries[0]

    def _trial(self, number: int, candidate: int) -> Trial:
        network, rung = self._networks[candidate], self.plan.rungs[number]
        samples = len(self._images)
        epochs = trial_epochs(network, rung, samples)
        steps = epochs * -(-rung.images // min(network.configuration.batch_size, rung.images))
        return Trial(number, candidate, epochs, steps, trial_cost(network, rung, samples, self.plan.validation))

    def _rng(self, stream: int) -> np.random.Generator:
        return random_state.seeded(self._seed, random_state.SELECTION, stream)
