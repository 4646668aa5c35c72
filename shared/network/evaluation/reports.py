"""What a training tells while it runs: a line per mini-batch, and one per epoch that stays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Progress(NamedTuple):
    """Where a training stands after a mini-batch. A tuple: training image by image makes many of them."""

    epoch: int
    """From 1."""

    step: int
    """The mini-batch within the epoch, from 1 to steps_per_epoch."""

    steps_per_epoch: int

    samples: int
    """Images of this epoch that have been seen."""

    train_loss: float
    """The mean cross-entropy in nats over those images, each as it was before its own update."""

    train_accuracy: float
    """The share of those images that were classified rightly, likewise."""


@dataclass(frozen=True)
class EpochReport:
    """What one whole epoch gave."""

    epoch: int
    """From 1."""

    train_loss: float
    """The mean cross-entropy in nats, each image taken as it was before its own update."""

    train_accuracy: float
    """The share of images that were classified rightly, likewise."""

    seconds: float
    """Wall time spent on the epoch's mini-batches; the one figure that a repetition does not give again."""

    validation_loss: float | None = None
    """The mean cross-entropy in nats over the validation images after the epoch; None without validation."""

    validation_accuracy: float | None = None
    """The share of validation images that were classified rightly, likewise."""

    gradient_norm: float | None = None
    """The mean norm of the mini-batches' gradients, before clipping. None where the network learns image by image: that
    step never forms a whole gradient."""

    dead_units: tuple[float, ...] = ()
    """The share of units in each hidden layer that learn no more; `DeadUnits.dead_units` says when."""


def history_to_array(history: Sequence[EpochReport], hidden: int) -> npt.NDArray[np.float64]:
    """Give a row per epoch, its columns in the order of EpochReport's fields: (epochs, 7 + hidden layers).

    What is None becomes NaN, which no report holds.
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
        ]
        for report in history
    ]
    return np.array(rows, np.float64).reshape(len(history), 7 + hidden)


def history_from_array(rows: npt.NDArray[np.float64]) -> list[EpochReport]:
    """Read what `history_to_array` gave."""
    reports = []
    for epoch, loss, accuracy, seconds, *optional in rows.tolist():
        validation_loss, validation_accuracy, gradient_norm = map(_or_none, optional[:3])
        report = EpochReport(
            int(epoch),
            loss,
            accuracy,
            seconds,
            validation_loss,
            validation_accuracy,
            gradient_norm,
            tuple(optional[3:]),
        )
        reports.append(report)
    return reports


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
