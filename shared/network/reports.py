"""What a training tells while it runs: a line per mini-batch, and one per epoch that stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
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


def history_to_array(history: Sequence[EpochReport]) -> npt.NDArray[np.float64]:
    """Give one row per epoch, its columns in the order of EpochReport's fields: (epochs, 4)."""
    return np.array([astuple(report) for report in history], np.float64).reshape(len(history), 4)


def history_from_array(rows: npt.NDArray[np.float64]) -> list[EpochReport]:
    """Read what `history_to_array` gave."""
    return [EpochReport(int(epoch), *map(float, values)) for epoch, *values in rows]
