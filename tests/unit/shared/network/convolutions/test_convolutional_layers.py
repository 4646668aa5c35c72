"""Each layer's result for small inputs, and its derivatives beside central differences."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from shared.network.arrays import Array, Parameters
from shared.network.convolutions.batch_normalization import EPSILON, BatchNormalization, folded
from shared.network.convolutions.convolution import Convolution
from shared.network.convolutions.dense import Dense, Flatten
from shared.network.convolutions.elementwise import Activations, Biases
from shared.network.convolutions.layer import Layer
from shared.network.convolutions.max_pooling import MaxPooling
from shared.network.layers.activations import ACTIVATIONS

FLOAT64 = np.dtype(np.float64)
SHAPE = (6, 2, 5)  # H, C, W
N = 3


def allocated(layer: Layer, n: int = N) -> Layer:
    layer.allocate(n, FLOAT64, training=True)
    return layer


def parameters_of(layer: Layer, rng: np.random.Generator) -> Parameters:
    return {name: rng.standard_normal(shape) for name, shape in layer.parameters.items()}


def naive_convolution(X: Array, W: Array, strides: int, padding: str) -> Array:
    """Return the convolution by the definition's sums, X is (H, C, W, n)."""
    k = W.shape[0]
    if padding == "same":
        X = np.pad(X, [keras_same(X.shape[0], k, strides), (0, 0), keras_same(X.shape[2], k, strides), (0, 0)])
    rows = (X.shape[0] - k) // strides + 1
    columns = (X.shape[2] - k) // strides + 1
    Z = np.zeros((rows, W.shape[3], columns, X.shape[3]))
    for r, q, i, j in itertools.product(range(rows), range(columns), range(k), range(k)):
        Z[r, :, q] += np.einsum("cf,cn->fn", W[i, j], X[r * strides + i, :, q * strides + j])
    return Z


def keras_same(side: int, k: int, strides: int) -> tuple[int, int]:
    total = max((math.ceil(side / strides) - 1) * strides + k - side, 0)
    return total // 2, math.ceil(total / 2)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 5])
def test_a_convolution_is_the_sum_of_its_definition(
    kernel_size: int, strides: int, padding: str, rng: np.random.Generator
) -> None:
    layer = allocated(Convolution(SHAPE, 4, kernel_size, strides, padding))
    P = parameters_of(layer, rng)
    for _ in range(2):  # the second call finds the arrays of the first
        X = rng.standard_normal((*SHAPE, N))
        Z = layer.forward(X, P)
        assert Z.shape == (*layer.output, N)
        np.testing.assert_allclose(Z, naive_convolution(X, P["weights"], strides, padding), atol=1e-12)


@pytest.mark.parametrize(("side", "strides", "expected"), [(28, 1, 28), (28, 2, 14), (7, 2, 4), (5, 3, 2)])
def test_the_padding_same_leaves_a_side_divided_by_the_strides(side: int, strides: int, expected: int) -> None:
    assert Convolution((side, 1, side), 1, 3, strides, "same").output == (expected, 1, expected)


def test_max_pooling_keeps_the_largest_of_each_square(rng: np.random.Generator) -> None:
    X = rng.permutation(7 * 2 * 5 * 2).reshape(7, 2, 5, 2).astype(float)
    layer = allocated(MaxPooling((7, 2, 5), 3), 2)
    Y = layer.forward(X, {})
    assert Y.shape == (2, 2, 1, 2)  # the last row and the last two columns fill no square
    for r, c, n in itertools.product(range(2), range(2), range(2)):
        assert Y[r, c, 0, n] == X[3 * r : 3 * r + 3, c, :3, n].max()


@pytest.mark.parametrize("pool_size", [2, 3])
def test_the_derivative_of_a_tie_goes_to_the_first_of_the_largest(pool_size: int) -> None:
    side = pool_size
    X = np.ones((side, 1, side, 1))
    layer = allocated(MaxPooling((side, 1, side), pool_size), 1)
    layer.forward(X, {})
    expected = np.zeros((side, side))
    expected[0, 0] = 5
    np.testing.assert_array_equal(layer.propagate(np.full((1, 1, 1, 1), 5.0), {})[:, 0, :, 0], expected)


def test_batch_normalization_gives_each_channel_its_shift_as_mean_and_its_scale_as_deviation(
    rng: np.random.Generator,
) -> None:
    layer = allocated(BatchNormalization(SHAPE))
    X = 7 + 3 * rng.standard_normal((*SHAPE, N))
    Y = layer.forward(X, {"scale": np.array([2.0, 0.5]), "shift": np.array([1.0, -4.0])})
    np.testing.assert_allclose(Y.mean(axis=(0, 2, 3)), [1, -4], atol=1e-12)
    np.testing.assert_allclose(Y.std(axis=(0, 2, 3)), [2, 0.5], rtol=1e-5)


def test_batch_normalization_measures_mean_and_unbiased_variance(rng: np.random.Generator) -> None:
    layer = BatchNormalization(SHAPE)
    layer.allocate(N, FLOAT64, training=True)
    X = rng.standard_normal((*SHAPE, N))
    layer.forward(X, {"scale": np.ones(2), "shift": np.zeros(2)})
    measured = layer.measured()
    np.testing.assert_allclose(measured["mean"], X.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(measured["variance"], X.var(axis=(0, 2, 3), ddof=1))


def test_a_folded_normalization_is_the_normalization_with_the_averages(rng: np.random.Generator) -> None:
    weights = rng.standard_normal((3, 3, 2, 4))
    own: Parameters = {name: rng.random(4) + 0.1 for name in ("scale", "shift", "mean", "variance")}
    X = rng.standard_normal((*SHAPE, N))
    Z = naive_convolution(X, weights, 1, "same")
    scale, shift, mean, variance = (own[name][:, None, None] for name in ("scale", "shift", "mean", "variance"))
    expected = scale * (Z - mean) / np.sqrt(variance + EPSILON) + shift
    folded_weights, biases = folded(weights, own)
    actual = naive_convolution(X, folded_weights, 1, "same") + biases[:, None, None]
    np.testing.assert_allclose(actual, expected, atol=1e-12)


def test_flatten_orders_by_row_column_and_channel() -> None:
    X = np.arange(6 * 2 * 5 * 3, dtype=float).reshape(6, 2, 5, 3)  # (H, C, W, n)
    flat = allocated(Flatten(SHAPE)).forward(X, {})
    np.testing.assert_array_equal(flat[:, 1].reshape(6, 5, 2)[4, 3], X[4, :, 3, 1])


LAYERS: dict[str, Any] = {
    "convolution 3×3": lambda: Convolution(SHAPE, 4, 3, 1, "valid"),
    "convolution 3×3, same": lambda: Convolution(SHAPE, 4, 3, 1, "same"),
    "convolution 3×3, strides 2, same": lambda: Convolution(SHAPE, 4, 3, 2, "same"),
    "convolution 2×2, strides 3": lambda: Convolution(SHAPE, 4, 2, 3, "valid"),
    "convolution 1×1": lambda: Convolution(SHAPE, 4, 1, 1, "valid"),
    "convolution 5×5, same": lambda: Convolution(SHAPE, 2, 5, 1, "same"),
    "max pooling 2×2": lambda: MaxPooling(SHAPE, 2),
    "max pooling 3×3": lambda: MaxPooling(SHAPE, 3),
    "batch normalization": lambda: BatchNormalization(SHAPE),
    "biases": lambda: Biases(SHAPE),
    "flatten": lambda: Flatten(SHAPE),
    "dense": lambda: Dense((7,), 4),
    **{name: lambda function=function: Activations(SHAPE, function) for name, function in ACTIVATIONS.items()},
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_derivatives_are_those_of_central_differences(name: str, rng: np.random.Generator) -> None:
    layer = allocated(LAYERS[name]())
    shape = (7,) if name == "dense" else SHAPE
    X = rng.standard_normal((*shape, N))
    P = parameters_of(layer, rng)
    dY = rng.standard_normal(layer.forward(X.copy(), P).shape)

    def result() -> float:
        return float(np.sum(layer.forward(X.copy(), P) * dY))

    def slope(array: Array) -> Array:
        slopes = np.empty_like(array)
        for place in np.ndindex(array.shape):
            before = array[place]
            array[place] = before + 1e-6
            above = result()
            array[place] = before - 1e-6
            slopes[place] = (above - result()) / 2e-6
            array[place] = before
        return slopes

    expected = {parameter: slope(array) for parameter, array in P.items()}
    expected_dX = slope(X)
    dP = {parameter: np.empty_like(array) for parameter, array in P.items()}
    layer.forward(X.copy(), P)
    layer.gradients(dY.copy(), P, dP)
    dX = layer.propagate(dY.copy(), P)
    for parameter, derivative in dP.items():
        np.testing.assert_allclose(derivative, expected[parameter], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(dX, expected_dX, rtol=1e-5, atol=1e-7)
