"""The reports of a training: its progress after each mini-batch, and a report of each epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Progress(NamedTuple):
    """The progress of a training after a mini-batch; a tuple, which is fast to create."""

    epoch: int
    """From 1."""

    step: int
    """The mini-batch within the epoch, from 1 to steps_per_epoch."""

    steps_per_epoch: int

    samples: int
    """Images of this epoch so far."""

    train_loss: float
    """The mean cross-entropy in nats over these images, each measured before its own update."""

    train_accuracy: float
    """The share of these images that were classified correctly, measured before the update."""


@dataclass(frozen=True)
class EpochReport:
    """The results of one epoch."""

    epoch: int
    """From 1."""

    train_loss: float
    """The mean cross-entropy in nats, each image measured before its own update."""

    train_accuracy: float
    """The share of correctly classified images, measured before the update."""

    seconds: float
    """Wall time of the epoch's mini-batches; the only value that a repetition does not reproduce."""

    validation_loss: float | None = None
    """The mean cross-entropy in nats over the validation images after the epoch; None without validation."""

    validation_accuracy: float | None = None
    """The share of correctly classified validation images after the epoch; None without validation."""

    gradient_norm: float | None = None
    """The mean norm of the mini-batches' gradients, before clipping. None if it overflows, and for training image by
    image, whose step does not compute a whole gradient."""

    dead_units: tuple[float, ...] = ()
    """The share of dead units in each hidden layer, as `DeadUnits.dead_units` defines them."""

    learning_rate: float | None = None
    """The learning rate of the epoch's last mini-batch. It follows from the configuration, so a state omits it."""

    layer_gradient_norms: tuple[float, ...] = ()
    """The mean norm of each layer's gradient, weights and biases together, over a few of the epoch's mini-batches,
    before clipping; to four significant digits. Empty if one overflows, and in reports of older releases."""

    predicted_classes: int | None = None
    """How many classes the network predicts for the sample on which dead units are measured. None in reports of older
    releases."""


def history_to_array(history: Sequence[EpochReport], hidden: int) -> npt.NDArray[np.float64]:
    """Return a row per epoch, its columns in the order of EpochReport's fields: (epochs, 9 + 2 hidden layers).

    None becomes NaN, which no report contains, and so do missing norms of layers. The learning rate is omitted.
    """
    rows = [
        [
            report.epoch,
            report.train_loss,
            report.train_accuracy,
            report.seconds,
            _or_nan(report.validation_loss),
            _or_nan(report.validation_accuracy),
            _or_nan(report.gradient_norm),
            *report.dead_units,
            *(report.layer_gradient_norms or (math.nan,) * (hidden + 1)),
            _or_nan(report.predicted_classes),
        ]
        for report in history
    ]
    return np.array(rows, np.float64).reshape(len(history), 9 + 2 * hidden)


def history_from_array(rows: npt.NDArray[np.float64], hidden: int) -> list[EpochReport]:
    """Return the reports from the array of `history_to_array`, without learning rates.

    Rows of older releases end after the dead units.
    """
    reports = []
    for epoch, loss, accuracy, seconds, *optional in rows.tolist():
        validation_loss, validation_accuracy, gradient_norm = map(_or_none, optional[:3])
        norms = tuple(optional[3 + hidden : -1])
        predicted = optional[-1] if len(optional) > 3 + hidden else math.nan
        report = EpochReport(
            int(epoch),
            loss,
            accuracy,
            seconds,
            validation_loss,
            validation_accuracy,
            gradient_norm,
            tuple(optional[3 : 3 + hidden]),
            layer_gradient_norms=() if any(map(math.isnan, norms)) else norms,
            predicted_classes=None if math.isnan(predicted) else int(predicted),
        )
        reports.append(report)
    return reports


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
