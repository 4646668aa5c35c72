"""A race between candidates: the next trial, its images, and the candidates that continue in the next rung."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from shared.network.arrays import Array, Images, Labelled, Labels
from shared.network.layers.checks import Check, no_check
from shared.network.layers.inputs import stratified
from shared.network.network import Network
from shared.network.selection.plan import plan, shortened, trial_cost, trial_epochs
from shared.network.training import random_state
from shared.network.training.training import Training


@dataclass(frozen=True)
class Trial:
    """A candidate's training in one rung, and the result on the race's validation images.

    The loss is the mean cross-entropy in nats, infinite if the training diverged, and `error` its standard error.
    """

    rung: int
    candidate: int
    epochs: int
    steps: int
    cost: int
    loss: float = math.inf
    error: float = 0.0
    accuracy: float = 0.0


class Measured(NamedTuple):
    """The result of a trial."""

    loss: float
    error: float
    accuracy: float


def measured(P: Array, y: Labels) -> Measured:
    """Return loss, standard error and accuracy of the probabilities P (N, classes) for the labels y (N,), N ≥ 1."""
    losses = -np.log(P[np.arange(len(y)), y]).astype(np.float64)
    loss = float(losses.mean())
    if not math.isfinite(loss):
        return Measured(math.inf, 0.0, 0.0)
    return Measured(loss, float(losses.std()) / math.sqrt(len(y)), float((P.argmax(axis=1) == y).mean()))


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials of a rung from the best to the worst, those that count as equal in the order of candidates."""
    best = min(trials, key=lambda trial: trial.loss)
    bound = best.loss + best.error
    return sorted(trials, key=lambda trial: (max(trial.loss, bound), trial.candidate))


class Race:
    """Successive halving over the candidates' networks on the images (N, H, W) with labels (N,).

    A rung is won by the lowest validation losses. Losses within one standard error of the lowest count as equal, and
    of equal ones the first candidates win (the one-standard-error rule of Breiman, Friedman, Olshen and Stone 1984,
    section 3.4.3). So the candidates must be in the order in which they are trusted on other images. The seed of the
    first candidate determines the race's images, the same ones for all candidates of a rung.

    validation: the data set's own validation split. If it has enough images, they measure the candidates; otherwise the
    race holds out images (N, H, W). check: called after each block of these images.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        images: Images,
        labels: Labels,
        validation: Labelled | None = None,
        check: Check = no_check,
    ) -> None:
        self._check = check
        self._networks = networks
        self._images = images
        self._labels = labels
        self._seed = networks[0].configuration.seed
        self.plan = plan(networks, len(images), len(validation[1]) if validation else 0)
        self._measured_on = (images, labels) if validation is None or self.plan.holds_out else validation
        rest, self._validation = stratified(self._measured_on[1], self.plan.validation, self._rng(0))
        self._trained = rest if self.plan.holds_out else np.arange(len(images))
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
        result = Measured(math.inf, 0.0, 0.0)
        if training is not None:
            images, labels = (array[self._validation] for array in self._measured_on)
            result = measured(training.network.probabilities(training.parameters, images, self._check), labels)
        self.restore([*(Measured(trial.loss, trial.error, trial.accuracy) for trial in self.trials), result])

    def restore(self, results: Iterable[Measured]) -> None:
        """Set the results of the finished trials, in their order.

        Raises ValueError for more trials than the race has.
        """
        left = list(results)
        self.trials, self.next = [], None
        entries = list(range(len(self._networks)))
        for number in range(len(self.plan.rungs)):
            expected = [self._trial(number, candidate) for candidate in entries]
            finished = [
                replace(trial, loss=result.loss, error=result.error, accuracy=result.accuracy)
                for trial, result in zip(expected, left, strict=False)
            ]
            self.trials += finished
            left = left[len(finished) :]
            if len(finished) < len(expected):
                self.next = expected[len(finished)]
                self.winner = None
                return
            entries = sorted(trial.candidate for trial in ranked(finished)[: len(entries) // 2])
        if left:
            raise ValueError("the state has more trials than the race")
        self.winner = entries[0]

    def _trial(self, number: int, candidate: int) -> Trial:
        network, rung = self._networks[candidate], self.plan.rungs[number]
        samples = len(self._images)
        epochs = trial_epochs(network, rung, samples)
        steps = epochs * -(-rung.images // shortened(network.configuration, epochs, rung.images).batch_size)
        return Trial(number, candidate, epochs, steps, trial_cost(network, rung, samples, self.plan.validation))

    def _rng(self, stream: int) -> np.random.Generator:
        return random_state.seeded(self._seed, random_state.SELECTION, stream)
