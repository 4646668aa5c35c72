"""A training that first chooses its configuration by a race between candidates."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from shared.network.arrays import Images, Labelled, Labels, Parameters
from shared.network.errors import TrainingDiverged
from shared.network.evaluation.reports import EpochReport, Progress
from shared.network.layers.checks import Check, no_check
from shared.network.network import Network
from shared.network.selection.costs import training_cost
from shared.network.selection.race import Measured, Race, Trial
from shared.network.selection.report import Selection, selection_report
from shared.network.training.training import State, Training

TRAINING = "training."
"""The prefix of the current training's arrays in the state."""


class AutoTraining:
    """Races the candidates, then trains the winner on all images, as `Training` with its configuration does.

    It has the interface of `Training`: iterate over it, stop after any mini-batch, and resume from `state` to the same
    bits. During the race, `network` and `parameters` are those of the current trial, and `history` is empty.

    networks: the candidates, with the same image shape and classes; without a race, the first one is trained. A
    candidate that diverges in the race loses; if the winner diverges, iterating raises TrainingDiverged. validation: as
    in `Training`; it also measures the candidates of the race, if it has enough images. threads and
    check: as in `Training`.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        images: Images,
        labels: Labels,
        *,
        validation: Labelled | None = None,
        threads: int = 1,
        check: Check = no_check,
    ) -> None:
        self._check = check
        self._networks = tuple(networks)
        self._images = images
        self._labels = labels
        self._validation = validation
        self._threads = threads
        self._race = Race(self._networks, images, labels, validation, check)
        self._training = self._begin()

    @property
    def network(self) -> Network:
        """The winner's network; before the end of the race, that of the current trial."""
        return self._training.network

    @property
    def history(self) -> list[EpochReport]:
        """The epochs of the winner's training."""
        return self._training.history if self.winner is not None else []

    @property
    def parameters(self) -> Parameters:
        """A copy of the current training's result so far."""
        return self._training.parameters

    @property
    def finished(self) -> bool:
        """Whether the winner's training has ended."""
        return self.winner is not None and self._training.finished

    @property
    def winner(self) -> int | None:
        """The index of the chosen candidate, None before the end of the race."""
        return self._race.winner

    @property
    def trials(self) -> Sequence[Trial]:
        """The finished trials of the race."""
        return self._race.trials

    @property
    def selection(self) -> Selection:
        """The candidates, the plan and the results so far, as plain values for JSON."""
        return selection_report(self._networks, self._costs(self._networks), self._race)

    @property
    def epochs(self) -> int:
        """The number of epochs of the winner's training; before the end of the race, of the first candidate's."""
        return self._networks[self.winner or 0].configuration.epochs

    @property
    def steps(self) -> int:
        """The number of mini-batches so far, in the race and after it; a diverged trial counts as a whole."""
        return sum(trial.steps for trial in self.trials) + self._training.steps

    @property
    def samples(self) -> int:
        """The number of images in an epoch of the candidate that is trained."""
        return self._training.samples

    @property
    def share_done(self) -> float:
        """The share of the estimated cost that has been spent, from 0 to 1; it never falls."""
        left = self._networks if self.winner is None else [self._networks[self.winner]]
        training = max(self._costs(left))
        race = self._race.plan.cost
        done = self._training.share_done
        if self._race.next is None:
            spent = race + done * training
        else:
            spent = sum(trial.cost for trial in self.trials) + done * self._race.next.cost
        return spent / (race + training)

    def __iter__(self) -> AutoTraining:
        return self

    def __next__(self) -> Progress:
        """Train on one more mini-batch, of a trial or of the winner's training."""
        while self.winner is None:
            try:
                progress = next(self._training)
            except TrainingDiverged:
                self._end_trial(diverged=True)
                continue
            if self._training.finished:
                self._end_trial(diverged=False)
            return progress
        return next(self._training)

    def _end_trial(self, *, diverged: bool) -> None:
        self._race.record(None if diverged else self._training)
        del self._training  # its arrays and those of the next training need not fit into memory together
        self._training = self._begin()

    def _begin(self, state: State | None = None) -> Training:
        """Return the training of the next trial or of the winner, new or in a state.

        A trial has no validation images, as it is measured at its end.
        """
        validation = None if self.winner is None else self._validation
        threads, check = self._threads, self._check
        if state is None:
            return Training(*self._race.entry(), validation=validation, threads=threads, check=check)
        return Training.resume(*self._race.entry(), state, validation=validation, threads=threads, check=check)

    def _costs(self, networks: Sequence[Network]) -> list[int]:
        """Return the estimated costs of the networks' whole trainings."""
        validation = len(self._validation[1]) if self._validation else 0
        return [training_cost(network, len(self._images), validation) for network in networks]

    def state(self) -> State:
        """Return the state for `resume`, as copies."""
        results = [[trial.loss, trial.error, trial.accuracy] for trial in self.trials]
        return {
            "candidates": np.array(self._candidates()),
            "trials": np.array(results, np.float64).reshape(-1, 3),
        } | {TRAINING + name: array for name, array in self._training.state().items()}

    def _candidates(self) -> str:
        configurations = [network.configuration.to_dict() for network in self._networks]
        return json.dumps(configurations, sort_keys=True)

    @classmethod
    def resume(
        cls,
        networks: Sequence[Network],
        images: Images,
        labels: Labels,
        state: State,
        *,
        validation: Labelled | None = None,
        threads: int = 1,
        check: Check = no_check,
    ) -> AutoTraining:
        """Return a training that continues from the `state` of one with the same arguments.

        Raises ValueError for a state of other candidates or another number of images.
        """
        training = cls(networks, images, labels, validation=validation, threads=threads, check=check)
        if "candidates" not in state or "trials" not in state:
            raise ValueError("the state is not that of a training with candidates")
        if str(state["candidates"]) != training._candidates():
            raise ValueError("the state's candidates differ from this training's")
        training._race.restore([Measured(*row) for row in state["trials"].tolist()])
        current = {name.removeprefix(TRAINING): array for name, array in state.items() if name.startswith(TRAINING)}
        del training._training  # its arrays and those of the resumed training need not fit into memory together
        training._training = training._begin(current)
        return training
