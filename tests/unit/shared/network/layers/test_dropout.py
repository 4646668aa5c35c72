from __future__ import annotations

import numpy as np
import pytest

from shared.network.layers.dropout import Dropout


def test_the_share_of_dropped_units_is_the_probability(rng: np.random.Generator) -> None:
    A = np.ones((300, 200))
    dropped = Dropout(0.3, A, rng).forward(A) == 0
    assert dropped.mean() == pytest.approx(0.3, abs=0.01)
    assert dropped.mean(axis=0).std() == pytest.approx((0.3 * 0.7 / 300) ** 0.5, rel=0.2)  # independent of each other


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kept_units_are_scaled_to_keep_the_expected_sum(dtype: type[np.floating], rng: np.random.Generator) -> None:
    A = rng.normal(size=(50, 40)).astype(dtype)
    kept = Dropout(0.2, A, rng).forward(A)
    is_kept = kept != 0
    np.testing.assert_allclose(kept[is_kept], A[is_kept] / 0.8, rtol=1e-6)
    assert kept.dtype == dtype


def test_backward_applies_the_mask_of_forward(rng: np.random.Generator) -> None:
    A = np.ones((50, 40))
    dropout = Dropout(0.5, A, rng)
    kept = dropout.forward(A).copy()
    dA = rng.normal(size=A.shape)
    expected = dA * kept
    dropout.backward(dA)
    np.testing.assert_allclose(dA, expected)


def test_the_activations_are_not_changed(rng: np.random.Generator) -> None:
    A = np.ones((5, 4))
    Dropout(0.5, A, rng).forward(A)
    assert (A == 1).all()


def test_each_call_draws_a_new_mask(rng: np.random.Generator) -> None:
    A = np.ones((20, 20))
    dropout = Dropout(0.5, A, rng)
    first = dropout.forward(A).copy()
    assert (dropout.forward(A) != first).any()
