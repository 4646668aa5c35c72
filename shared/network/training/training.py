"""A training: a resumable iterator over mini-batches."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np

from shared.network.arrays import Images, Labelled, Labels, Parameters
from shared.network.configuration import Configuration
from shared.network.errors import TrainingDiverged
from shared.network.evaluation.evaluation import Evaluation
from shared.network.evaluation.reports import EpochReport, Progress, history_from_array, history_to_array
from shared.network.layers import inputs
from shared.network.layers.checks import Check, no_check
from shared.network.layers.inputs import stratified
from shared.network.network import Network
from shared.network.optimization.early_stopping import Best
from shared.network.training import random_state
from shared.network.training.dead_units import DeadUnits
from shared.network.training.epoch import Epoch
from shared.network.training.pixel_order import PixelOrder
from shared.network.training.steps import step_for

State: TypeAlias = dict[str, np.ndarray[Any, Any]]
"""The complete state of a training: plain arrays, for `np.savez` and `np.load` without pickles."""

LATER = frozenset({"epoch.layer_norms", "epoch.measured"})
"""The arrays that states of older releases lack."""


class Training:
    """Trains a network on images (N, *image_shape) with labels (N,), as its configuration states.

    Iterate over it: each item is the Progress after one more mini-batch. After a loop ends early, another loop
    continues. The same arguments give the same bits, independent of interruptions.

    Raises ConfigurationError if the configuration does not suit the data, and ValueError if the arrays do not
    match. Iterating raises TrainingDiverged when the loss or a parameter is no longer finite.

    validation: images that are not trained on, but measured after each epoch, instead of a share of the images (the
    configuration's `validation_fraction` must be 0). threads: how many threads a convolutional network may use; the
    bits do not depend on it. check: called between the parts of long work, such as an epoch's validation. If it raises
    while the training is iterated, the training cannot continue; another one can, from an earlier `state`.
    """

    def __init__(
        self,
        network: Network,
        images: Images,
        labels: Labels,
        *,
        validation: Labelled | None = None,
        threads: int = 1,
        check: Check = no_check,
    ) -> None:
        self._check = check
        self.network = network
        self.configuration = network.configuration
        self.history: list[EpochReport] = []
        rows = inputs.as_rows(images, network.image_shape)
        if not len(rows):
            raise ValueError("a training needs at least one image")
        self._own_validation = _checked(validation, network)
        self.configuration.check(len(rows), len(validation[1]) if validation else 0)
        y = inputs.as_labels(labels, len(rows), network.classes)

        held_out = self.configuration.validation_count(len(rows))
        splitter = random_state.seeded(self.configuration.seed, random_state.SPLIT)
        self._images, self._held_out = stratified(y, held_out, splitter)
        self.samples = len(self._images)
        self._pixels = _pixel_order(rows, self.configuration)
        self._rows = self._pixels.arranged(rows)
        self._y = y
        self._rng = random_state.seeded(self.configuration.seed)
        parameters = self._pixels.to_training(network.initialize(self._rng))
        if self.configuration.standardize:
            network.standardize(parameters, self._rows, self._images, check)
        self._step = step_for(network, parameters, self._rows, y, self._rng, threads, check)
        self._best = Best(self._step.P) if self.configuration.early_stopping else None
        self._dead_units = DeadUnits(network, self._rows, self._images, self._step.P)
        self._epoch = self._begin_epoch()

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or early stopping ended the training."""
        return len(self.history) == self.configuration.epochs or self._stopped

    @property
    def _stopped(self) -> bool:
        stopping = self.configuration.early_stopping
        return stopping is not None and self._epoch.finished and stopping.stops(self.history)

    @property
    def epochs(self) -> int:
        """The number of epochs; early stopping may end the training before."""
        return self.configuration.epochs

    @property
    def steps(self) -> int:
        """The number of mini-batches so far."""
        return (self._epoch.number - 1) * self._epoch.steps + self._epoch.step

    @property
    def share_done(self) -> float:
        """The share of all epochs' images that have been processed, from 0 to 1."""
        return (self._epoch.number - 1 + self._epoch.position / self.samples) / self.configuration.epochs

    @property
    def parameters(self) -> Parameters:
        """A copy of the training's result so far.

        These are the latest parameters; with early stopping, those of the best finished epoch, if one has finished.
        """
        self._step.settle()
        vector = self._best.P if self._best and self.history else self._step.P
        return self._pixels.from_training(self.network.layout.views(vector.copy()))

    def __iter__(self) -> Training:
        return self

    def __next__(self) -> Progress:
        """Train on one more mini-batch."""
        if self.finished:
            raise StopIteration
        started = perf_counter()
        if self._epoch.finished:
            self._epoch = self._begin_epoch()
        epoch = self._epoch
        batch = epoch.next_batch()
        following = epoch.following(self._step.lookahead)
        factor = self._rate_factor(epoch.number, epoch.position, len(batch))
        measures = epoch.measures
        loss, correct = self._step.run(batch, factor, following, measures)
        if measures:
            epoch.measure(self._step.layer_norms)
        progress = epoch.add(len(batch), loss, correct, self._step.gradient_norm or 0.0)
        if not math.isfinite(loss):
            raise TrainingDiverged(progress.epoch, progress.step, self._hint("the loss"))
        epoch.seconds += perf_counter() - started
        if epoch.finished:
            self._step.settle()
            if not np.isfinite(self._step.P).all():  # no loss includes the last update yet
                raise TrainingDiverged(progress.epoch, progress.step, self._hint("a parameter"))
            self._end_epoch()
        return progress

    def _begin_epoch(self) -> Epoch:
        number, layers = len(self.history) + 1, len(self.network.layout.layers)
        return Epoch.begin(number, self._images, self.configuration.batch_size, self._rng, layers)

    def _rate_factor(self, epoch: int, position: int, images: int) -> float:
        """Return the factor on the learning rate for a mini-batch of so many images at a position in an epoch.

        It is that of the middle of the step, so that a schedule that begins or ends at 0 has no step with factor 0.
        """
        time = epoch - 1 + (position + images / 2) / self.samples
        return self.configuration.schedule.factor(time, self.configuration.epochs)

    def _with_rate(self, report: EpochReport) -> EpochReport:
        """Return the report with the learning rate of its epoch's last mini-batch."""
        last = (self.samples - 1) % self.configuration.batch_size + 1
        factor = self._rate_factor(report.epoch, self.samples - last, last)
        return replace(report, learning_rate=self.configuration.optimizer.learning_rate * factor)

    def _end_epoch(self) -> None:
        report = self._with_rate(self._epoch.report())
        if self._step.gradient_norm is None or not math.isfinite(report.gradient_norm or 0.0):
            report = replace(report, gradient_norm=None)
        validated = self._validate()
        if validated:
            report = replace(report, validation_loss=validated.loss, validation_accuracy=validated.accuracy)
        dead = self._dead_units.dead_units()
        self.history.append(replace(report, dead_units=dead, predicted_classes=self._dead_units.predicted_classes))
        if self._best:
            self._best.consider(self._step.P, self.history)

    def _validate(self) -> Evaluation | None:
        """Evaluate the current parameters on the validation images; None without such images."""
        parameters = self.network.layout.views(self._step.P)
        if self._own_validation:
            natural = self._pixels.from_training(parameters)
            return self.network.evaluate(natural, *self._own_validation, check=self._check)
        if len(self._held_out):
            rows, y = self._rows[self._held_out], self._y[self._held_out]
            return self.network.evaluate(parameters, rows, y, check=self._check)
        return None

    def state(self) -> State:
        """Return the state for `resume`, as copies."""
        self._step.settle()
        parts = {
            "parameters": self.network.layout.views(self._step.P.copy()),
            "optimizer": self._step.update.state(),
            "step": self._step.state(),
            "epoch": self._epoch.state(),
            "best": {"parameters": self._best.P.copy()} if self._best else {},
        }
        return {
            "configuration": np.array(json.dumps(self.configuration.to_dict(), sort_keys=True)),
            "pixels": self._pixels.order.copy(),  # the order of the parameters and the optimizer's state
            "generator": random_state.state_of(self._rng),
            "history": history_to_array(self.history, self.network.hidden_layers),
        } | {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}

    @classmethod
    def resume(
        cls,
        network: Network,
        images: Images,
        labels: Labels,
        state: State,
        *,
        validation: Labelled | None = None,
        threads: int = 1,
        check: Check = no_check,
    ) -> Training:
        """Return a training that continues from the `state` of a training with the same arguments.

        Raises ValueError for a state of another network, configuration or number of images.
        """
        training = cls(network, images, labels, validation=validation, threads=threads, check=check)
        _check(state, like=training.state())
        training._restore(state)
        return training

    def _restore(self, state: State) -> None:
        def part(prefix: str) -> State:
            return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}

        self._step.P[:] = self.network.layout.pack(part("parameters."))
        self._step.update.restore(part("optimizer."))
        self._step.restore(part("step."))
        if self._best:
            self._best.P[:] = state["best.parameters"]
        history = history_from_array(state["history"], self.network.hidden_layers)
        self.history = [self._with_rate(report) for report in history]
        epoch = self._epoch.state() | part("epoch.")
        number = len(self.history) + (int(epoch["position"]) < self.samples)
        self._epoch = Epoch.restore(number, self.configuration.batch_size, epoch)
        random_state.set_state(self._rng, state["generator"])

    def _hint(self, what: str) -> str:
        rate = self.configuration.optimizer.learning_rate
        return f"{what} is no longer a finite number; try a learning rate well below {rate:g}"


def _checked(validation: Labelled | None, network: Network) -> Labelled | None:
    """Return images for validation, with the labels as indices. Raises ValueError if there are none, or no match."""
    if validation is None:
        return None
    images, labels = validation
    if not len(images):
        raise ValueError("a validation split needs at least one image")
    inputs.as_rows(images, network.image_shape)
    return images, inputs.as_labels(labels, len(images), network.classes)


def _pixel_order(rows: Images, configuration: Configuration) -> PixelOrder:
    """Return the fastest order of the pixels for the training."""
    # Augmentation and convolution need neighbouring pixels, and a standardized pixel is not 0 where it is black.
    # Mini-batches of one image mostly use PerImageStep, which skips no columns.
    if (
        configuration.augmentation
        or configuration.convolutions
        or configuration.standardize
        or configuration.batch_size == 1
    ):
        return PixelOrder.natural(rows.shape[1])
    return PixelOrder.by_activity(rows, configuration.batch_size)


def _check(state: State, like: State) -> None:
    """Raise ValueError unless the state has exactly the arrays of a training with the same arguments."""
    if differing := (state.keys() ^ like.keys()) - (LATER - state.keys()):
        names = ", ".join(sorted(differing))
        raise ValueError(f"the state does not belong to this training: {names} missing or unexpected")
    for name, array in state.items():
        expected = like[name]
        shape = expected.shape
        if name == "history":  # it grows, and in states of older releases its rows end after the dead units
            width = shape[1] - (0 if state.keys() >= LATER else len(like["epoch.layer_norms"]) + 1)
            shape = (*array.shape[:1], width)
        if array.shape != shape or (array.dtype != expected.dtype and name != "configuration"):
            raise ValueError(f"the state's {name} is {array.dtype} {array.shape}, not {expected.dtype} {shape}")
    if _configuration(state) != _configuration(like):  # an older version may not have had all fields
        raise ValueError("the state's configuration differs from this training's")
    if not np.array_equal(state["pixels"], like["pixels"]):
        raise ValueError("the state belongs to a training on other images: the order of their pixels differs")
    if not 0 <= int(state["epoch.position"]) <= len(state["epoch.order"]):
        raise ValueError("the state's epoch.position is outside its epoch")


def _configuration(state: State) -> Configuration:
    return Configuration.from_dict(json.loads(str(state["configuration"])))
