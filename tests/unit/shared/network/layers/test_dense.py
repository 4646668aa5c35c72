from __future__ import annotations

import numpy as np
import pytest

from shared.network.arrays import Array
from shared.network.layers import dense
from tests.unit.shared.network.conftest import Slope

N, IN, OUT = 5, 4, 3

Arrays = tuple[Array, Array, Array, Array]


@pytest.fixture
def arrays(rng: np.random.Generator) -> Arrays:
    """Return X, W, b and dY."""
    return rng.normal(size=(N, IN)), rng.normal(size=(IN, OUT)), rng.normal(size=OUT), rng.normal(size=(N, OUT))


def forward(X: Array, W: Array, b: Array) -> Array:
    Y = np.empty((len(X), len(b)))
    dense.forward(X, W, b, Y)
    return Y


def test_forward_multiplies_by_the_weights_and_adds_the_biases(arrays: Arrays) -> None:
    X, W, b, _ = arrays
    np.testing.assert_allclose(forward(X, W, b), np.einsum("ni,io->no", X, W) + b)


def test_gradients_are_the_derivatives_with_respect_to_weights_and_biases(arrays: Arrays, slope: Slope) -> None:
    X, W, b, dY = arrays
    dW, db = np.empty_like(W), np.empty_like(b)
    dense.gradients(X, dY, dW, db)

    def weighted() -> float:
        return float((forward(X, W, b) * dY).sum())

    np.testing.assert_allclose(dW, slope(weighted, W), rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(db, slope(weighted, b), rtol=1e-7, atol=1e-8)


def test_missing_columns_of_the_input_are_zero(arrays: Arrays) -> None:
    X, W, b, dY = arrays
    X[:, -1] = 0
    narrow = X[:, :-1].copy()
    np.testing.assert_allclose(forward(narrow, W, b), forward(X, W, b))
    dW, db = np.full_like(W, np.nan), np.empty_like(b)
    dense.gradients(narrow, dY, dW, db)
    np.testing.assert_allclose(dW, X.T @ dY)
    assert not dW[-1].any()


def test_propagate_is_the_derivative_with_respect_to_the_input(arrays: Arrays, slope: Slope) -> None:
    X, W, b, dY = arrays
    dX = np.empty_like(X)
    dense.propagate(dY, W, dX)
    expected = slope(lambda: float((forward(X, W, b) * dY).sum()), X)
    np.testing.assert_allclose(dX, expected, rtol=1e-7, atol=1e-8)
