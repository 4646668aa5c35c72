from __future__ import annotations

import numpy as np
import pytest

from shared.network.optimization import parameter_update


def test_the_norm_is_euclidean(rng: np.random.Generator) -> None:
    dP = rng.normal(size=50)
    assert parameter_update.norm(dP) == pytest.approx(sum(g * g for g in dP) ** 0.5)


def test_the_norm_is_correct_if_its_squares_overflow() -> None:
    with np.errstate(all="ignore"):
        assert parameter_update.norm(np.full(4, 1e30, np.float32)) == pytest.approx(2e30, rel=1e-6)
        assert np.isnan(parameter_update.norm(np.array([np.nan], np.float32)))


def test_a_long_gradient_is_scaled_down_to_the_limit() -> None:
    dP = np.array([3.0, -4.0])
    parameter_update.clip(dP, length=5.0, limit=1.0)
    np.testing.assert_allclose(dP, [0.6, -0.8])


def test_a_short_gradient_is_not_changed() -> None:
    dP = np.array([3.0, -4.0])
    parameter_update.clip(dP, length=5.0, limit=5.0)
    assert dP.tolist() == [3.0, -4.0]


def test_decay_adds_the_penaltys_derivative() -> None:
    W, dW = np.array([[2.0, -4.0]]), np.array([[1.0, 1.0]])
    parameter_update.decay([(W, dW)], 0.5)
    assert dW.tolist() == [[2.0, -1.0]]
    assert W.tolist() == [[2.0, -4.0]]
