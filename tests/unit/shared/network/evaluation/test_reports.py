from __future__ import annotations

from dataclasses import replace

import numpy as np

from shared.network.evaluation.reports import EpochReport, history_from_array, history_to_array


def test_a_history_is_restored_from_its_array() -> None:
    history = [
        EpochReport(
            1,
            0.1,
            1 / 3,
            2.5,
            0.7,
            0.0,
            1e-300,
            (0.0, 0.25),
            layer_gradient_norms=(0.5, 1e-300, 2.0),
            predicted_classes=3,
        ),
        EpochReport(2, 1e-300, 1.0, 0.0, None, None, None, (1 / 3, 1.0)),
    ]
    rows = history_to_array(history, hidden=2)
    assert rows.shape == (2, 13)
    assert rows.dtype == np.float64
    assert history_from_array(rows, hidden=2) == history
    older = [replace(report, layer_gradient_norms=(), predicted_classes=None) for report in history]
    assert history_from_array(rows[:, :9], hidden=2) == older


def test_an_empty_history_is_restored_from_its_array() -> None:
    rows = history_to_array([], hidden=3)
    assert rows.shape == (0, 15)
    assert history_from_array(rows, hidden=3) == []
