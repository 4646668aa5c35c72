from __future__ import annotations

import numpy as np
import pytest

from shared.network.evaluation.reports import EpochReport
from shared.network.optimization.early_stopping import Best, EarlyStopping, best_epoch


def history(*losses: float) -> list[EpochReport]:
    return [EpochReport(number, 0.1, 0.9, 1.0, validation_loss=loss) for number, loss in enumerate(losses, start=1)]


@pytest.mark.parametrize(
    ("losses", "stops"),
    [
        ((), False),
        ((3,), False),
        ((3, 2, 1), False),
        ((3, 4), False),
        ((3, 4, 5), True),
        ((3, 4, 2, 5), False),
        ((3, 4, 2, 5, 2), True),  # an equal loss is not an improvement
    ],
)
def test_training_stops_after_patience_epochs_without_improvement(losses: tuple[float, ...], stops: bool) -> None:
    assert EarlyStopping(patience=2).stops(history(*losses)) is stops


def test_the_best_epoch_is_the_first_with_the_lowest_loss() -> None:
    assert best_epoch(history(3, 1, 2, 1)) == 2


def test_the_best_parameters_are_a_copy_from_the_best_epoch() -> None:
    P = np.array([0.0])
    best = Best(P)
    losses = [3.0, 1.0, 2.0, 1.0]
    for epoch in range(1, 5):
        P[:] = epoch
        best.consider(P, history(*losses[:epoch]))
    assert best.P.tolist() == [2.0]
