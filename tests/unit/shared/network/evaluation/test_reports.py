from __future__ import annotations

import numpy as np

from shared.network.evaluation.reports import EpochReport, history_from_array, history_to_array


def test_a_history_is_restored_from_its_array() -> None:
    history = [
        EpochReport(1, 0.1, 1 / 3, 2.5, 0.7, 0.0, 1e-300, (0.0, 0.25)),
        EpochReport(2, 1e-300, 1.0, 0.0, None, None, None, (1 / 3, 1.0)),
    ]
    rows = history_to_array(history, hidden=2)
    assert rows.shape == (2, 9)
    assert rows.dtype == np.float64
    assert history_from_array(rows) == history


def test_an_empty_history_is_restored_from_its_array() -> None:
    rows = history_to_array([], hidden=3)
    assert rows.shape == (0, 10)
    assert history_from_array(rows) == []
