from __future__ import annotations

import numpy as np
import pytest

from shared.network.evaluation.calibration import BINS, Calibration


def test_the_expected_error_follows_its_formula(rng: np.random.Generator) -> None:
    confidence = rng.random(500)
    correct = rng.random(500) < confidence**2  # overconfident
    expected = 0.0
    for b in range(BINS):
        inside = (confidence > b / BINS) & (confidence <= (b + 1) / BINS)
        if inside.any():
            expected += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    assert Calibration.of(confidence, correct).expected_error == pytest.approx(expected)
    assert expected > 0.1


def test_a_calibrated_network_has_no_expected_error() -> None:
    confidence, correct = np.full(10, 0.7), np.arange(10) < 7
    assert Calibration.of(confidence, correct).expected_error == pytest.approx(0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_of_0_and_1_are_in_the_first_and_last_bin(dtype: type[np.floating]) -> None:
    calibration = Calibration.of(np.array([0, 1e-10, 1], dtype), np.array([False, False, True]))
    assert calibration.counts.tolist() == [2, *[0] * (BINS - 2), 1]
    assert calibration.correct.tolist() == [*[0] * (BINS - 1), 1]
