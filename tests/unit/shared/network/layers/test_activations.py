from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from shared.network.layers.activations import ACTIVATIONS, Activation
from tests.unit.shared.network.conftest import Slope

FORMULAS: dict[str, Callable[[float], float]] = {
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "tanh": math.tanh,
    "relu": lambda z: z if z > 0 else 0.0,
    "leaky_relu": lambda z: z if z > 0 else 0.01 * z,
    "gelu": lambda z: z / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
    "identity": lambda z: z,
}


@pytest.fixture(params=sorted(ACTIVATIONS))
def activation(request: pytest.FixtureRequest) -> Activation:
    return ACTIVATIONS[request.param]


def apply(activation: Activation, Z: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    A = np.empty_like(Z)
    activation.forward(Z, A)
    return A


def test_every_activation_is_compared_with_a_formula() -> None:
    assert FORMULAS.keys() == ACTIVATIONS.keys()


def test_forward_follows_the_formula(activation: Activation, rng: np.random.Generator) -> None:
    Z = rng.normal(scale=3, size=(7, 5))
    expected = [[FORMULAS[activation.name](z) for z in row] for row in Z]
    np.testing.assert_allclose(apply(activation, Z), expected, rtol=1e-13, atol=1e-15)


def test_backward_is_the_derivative_of_forward(activation: Activation, rng: np.random.Generator, slope: Slope) -> None:
    Z = rng.normal(scale=2, size=(6, 5))
    dA = rng.normal(size=Z.shape)
    expected = slope(lambda: float((apply(activation, Z) * dA).sum()), Z)
    dZ = dA.copy()
    activation.backward(Z, apply(activation, Z), dZ)
    np.testing.assert_allclose(dZ, expected, rtol=1e-6, atol=1e-8)


def test_the_result_may_overwrite_an_input_that_is_not_needed(activation: Activation, rng: np.random.Generator) -> None:
    Z = rng.normal(size=(4, 3))
    A = apply(activation, Z)
    if activation.needs_input:
        kept = Z.copy()
        activation.backward(Z, A, np.ones_like(Z))
        np.testing.assert_array_equal(Z, kept)
        return
    dZ, dZ_in_place = np.ones_like(Z), np.ones_like(Z)
    in_place = Z.copy()
    activation.forward(in_place, in_place)
    np.testing.assert_array_equal(in_place, A)
    activation.backward(Z, A, dZ)
    activation.backward(in_place, in_place, dZ_in_place)
    np.testing.assert_array_equal(dZ_in_place, dZ)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_inputs_do_not_overflow(activation: Activation, dtype: type[np.floating]) -> None:
    Z = np.array([[-1e30, -1e4, -88.8, -1e-30, 0, 1e-30, 88.8, 1e4, 1e30]], dtype)
    A, dZ = np.empty_like(Z), np.ones_like(Z)
    with np.errstate(all="raise", under="ignore"):
        activation.forward(Z, A)
        assert np.isfinite(A).all()
        assert A[0, 4] == (0.5 if activation.name == "sigmoid" else 0)
        activation.backward(Z, A, dZ)
    assert np.isfinite(dZ).all()
    assert A.dtype == dZ.dtype == dtype


def test_nan_remains_nan(activation: Activation) -> None:
    assert np.isnan(apply(activation, np.array([[np.nan]])))
