"""Early stopping: the training ends if the validation loss no longer improves, and returns the best parameters.

Goodfellow, Bengio and Courville 2016, "Deep Learning", algorithm 7.1, with one evaluation per epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from shared.network.arrays import Array
from shared.network.evaluation.reports import EpochReport
from shared.network.settings.fields import Integer
from shared.network.settings.groups import Options


@dataclass(frozen=True, kw_only=True)
class EarlyStopping(Options):
    """The criterion for early stopping."""

    part: ClassVar[str] = "early_stopping"

    patience: Annotated[int, Integer("Epochs without a lower validation loss before training stops", minimum=1)]

    def stops(self, history: Sequence[EpochReport]) -> bool:
        """Return whether the training ends after these epochs."""
        return len(history) - best_epoch(history) >= self.patience if history else False


class Best:
    """The parameters of the epoch with the lowest validation loss so far, as a vector."""

    def __init__(self, P: Array) -> None:
        self.P = P.copy()

    def consider(self, P: Array, history: Sequence[EpochReport]) -> None:
        """Copy P (size,), the parameters after the last of these epochs, if that epoch is the best."""
        if best_epoch(history) == len(history):
            self.P[:] = P


def best_epoch(history: Sequence[EpochReport]) -> int:
    """Return the number, from 1, of the first epoch with the lowest validation loss; every epoch must have one."""
    losses = [report.validation_loss for report in history if report.validation_loss is not None]
    return losses.index(min(losses)) + 1
