from __future__ import annotations

import math

import numpy as np
import pytest

from shared.network.arrays import Array
from shared.network.layers.initializers import INITIALIZERS


def draw(name: str, dtype: str = "float32", seed: int = 1) -> tuple[Array, Array]:
    W: Array = np.full((400, 100), np.nan, dtype)
    b: Array = np.full(100, np.nan, dtype)
    INITIALIZERS[name](np.random.default_rng(seed), W, b)
    return W, b


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_draws_weights_and_biases_from_minus_half_to_half(dtype: str) -> None:
    W, b = draw("uniform", dtype)
    for array in (W, b):
        assert -0.5 <= array.min() < -0.45
        assert 0.45 < array.max() < 0.5
    assert W.mean() == pytest.approx(0, abs=0.01)
    assert W.std() == pytest.approx(math.sqrt(1 / 12), rel=0.02)


def test_glorot_has_a_variance_of_two_over_the_sum_of_the_widths() -> None:
    W, b = draw("glorot")
    assert W.std() == pytest.approx(math.sqrt(2 / 500), rel=0.02)
    assert np.abs(W).max() <= math.sqrt(6 / 500)
    assert not b.any()


def test_he_has_a_variance_of_two_over_the_number_of_inputs() -> None:
    W, b = draw("he")
    assert W.mean() == pytest.approx(0, abs=0.002)
    assert W.std() == pytest.approx(math.sqrt(2 / 400), rel=0.02)
    assert not b.any()


@pytest.mark.parametrize("name", sorted(INITIALIZERS))
def test_the_same_generator_gives_the_same_values(name: str) -> None:
    np.testing.assert_array_equal(draw(name, seed=5)[0], draw(name, seed=5)[0])
    assert (draw(name, seed=5)[0] != draw(name, seed=6)[0]).any()
