from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from shared.network.layers.softmax import EPSILON, cross_entropy, logit_gradient, softmax
from tests.unit.shared.network.conftest import Slope


def probabilities(Z: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    P = np.empty_like(Z)
    softmax(Z, P)
    return P


def test_softmax_is_each_exponential_over_their_sum(rng: np.random.Generator) -> None:
    Z = rng.normal(size=(4, 6))
    expected = [[math.exp(z) / sum(math.exp(other) for other in row) for z in row] for row in Z]
    np.testing.assert_allclose(probabilities(Z), expected, rtol=1e-13)


def test_softmax_can_overwrite_its_input(rng: np.random.Generator) -> None:
    Z = rng.normal(size=(4, 6))
    P = probabilities(Z)
    softmax(Z, Z)
    np.testing.assert_array_equal(Z, P)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_of_huge_numbers_does_not_overflow_or_reach_zero(dtype: type[np.floating]) -> None:
    P = probabilities(np.array([[1e30, -1e30, 0], [1000, 999, -1000]], dtype))
    assert P.dtype == dtype
    assert P[0, 1] == P[1, 2] == dtype(EPSILON)
    assert P[0, 0] == dtype(1 - EPSILON)
    assert P[1, 0] == pytest.approx(1 / (1 + math.exp(-1)), rel=1e-6)


def test_cross_entropy_sums_the_negative_logarithms_of_the_true_classes() -> None:
    P = np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]])
    assert cross_entropy(P, np.array([1, 2])) == pytest.approx(math.log(4) - math.log(0.7))


def test_cross_entropy_of_certain_predictions_is_not_negative() -> None:
    assert math.copysign(1, cross_entropy(np.ones((2, 1)), np.array([0, 0]))) == 1  # -0.0 is shown as -0


def test_cross_entropy_of_wrong_predictions_is_finite() -> None:
    P = probabilities(np.array([[0, 1e30]], np.float32))
    assert cross_entropy(P, np.array([0])) == pytest.approx(-math.log(EPSILON))


def test_the_gradient_is_the_derivative_of_the_mean_loss(rng: np.random.Generator, slope: Slope) -> None:
    Z = rng.normal(size=(5, 4))
    y = rng.integers(0, 4, 5)
    expected = slope(lambda: cross_entropy(probabilities(Z), y) / len(y), Z)
    dZ = probabilities(Z)
    logit_gradient(dZ, y)
    np.testing.assert_allclose(dZ, expected, rtol=1e-7, atol=1e-9)
