from __future__ import annotations

import numpy as np
import pytest

from shared.network.arrays import Array, Parameters
from shared.network.layers.activations import ACTIVATIONS
from shared.network.layers.forward_backward import Backward, Forward, Layers
from shared.network.layers.layout import Layout
from shared.network.layers.softmax import cross_entropy
from tests.unit.shared.network.conftest import Slope

WIDTHS = (6, 5, 4, 3)


def layers(parameters: Parameters) -> Layers:
    return [
        (parameters[f"layer{n}.weights"], parameters[f"layer{n}.biases"]) for n in range(1, len(parameters) // 2 + 1)
    ]


class Pair:
    """A forward and a backward pass over the same small network, in float64."""

    def __init__(
        self, activation: str, rng: np.random.Generator, widths: tuple[int, ...] = WIDTHS, rows: int = 7
    ) -> None:
        layout = Layout.dense(widths, np.dtype("float64"))
        self.P: Array = rng.normal(scale=0.7, size=layout.size)
        self.dP: Array = np.full(layout.size, np.nan)
        self.forward = Forward(layers(layout.views(self.P)), ACTIVATIONS[activation], rows)
        self.backward = Backward(self.forward, layers(layout.views(self.dP)))
        self.forward.X[:] = rng.random((rows, widths[0]))
        self.y = rng.integers(0, widths[-1], rows)

    def loss(self) -> float:
        return cross_entropy(self.forward.run(), self.y) / len(self.y)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_the_gradient_of_a_network_is_the_derivative_of_its_loss(
    activation: str, rng: np.random.Generator, slope: Slope
) -> None:
    pair = Pair(activation, rng)
    expected = slope(pair.loss, pair.P)
    pair.forward.run()
    pair.backward.run(pair.y)
    np.testing.assert_allclose(pair.dP, expected, rtol=1e-5, atol=1e-8)


def test_a_network_without_hidden_layers_is_softmax_regression(rng: np.random.Generator, slope: Slope) -> None:
    pair = Pair("sigmoid", rng, widths=(6, 3))
    expected = slope(pair.loss, pair.P)
    pair.forward.run()
    pair.backward.run(pair.y)
    np.testing.assert_allclose(pair.dP, expected, rtol=1e-6, atol=1e-9)


def test_a_second_batch_does_not_depend_on_the_first(rng: np.random.Generator) -> None:
    pair = Pair("gelu", rng)
    first = pair.forward.run().copy()
    pair.backward.run(pair.y)
    gradient = pair.dP.copy()
    np.testing.assert_array_equal(pair.forward.run(), first)
    pair.backward.run(pair.y)
    np.testing.assert_array_equal(pair.dP, gradient)


def test_a_narrow_input_gives_the_result_of_one_padded_with_zeros(rng: np.random.Generator) -> None:
    pair = Pair("tanh", rng)
    pair.forward.X[:, 4:] = 0
    rows = pair.forward.X.copy()
    P = pair.forward.run().copy()
    pair.backward.run(pair.y)
    gradient = pair.dP.copy()

    pair.forward.narrow(4)
    pair.forward.X[:] = rows[:, :4]
    pair.dP[:] = np.nan
    np.testing.assert_allclose(pair.forward.run(), P)
    pair.backward.run(pair.y)
    np.testing.assert_allclose(pair.dP, gradient, atol=1e-15)


def test_the_callback_runs_from_the_last_layer_to_the_first(rng: np.random.Generator) -> None:
    pair = Pair("tanh", rng)
    done: list[int] = []
    pair.forward.run()
    pair.backward.run(pair.y, done.append)
    assert done == [2, 1, 0]


def test_the_error_propagates_through_the_weights_after_the_layers_callback(rng: np.random.Generator) -> None:
    pair = Pair("tanh", rng)

    def blank(layer: int) -> None:
        W, _ = pair.forward.layers[layer]
        W[:] = 0

    pair.forward.run()
    pair.backward.run(pair.y, blank)
    (dW1, db1), (dW2, db2), (dW3, db3) = pair.backward.derivatives
    assert dW3.any() and db3.any()  # noqa: PT018
    assert not any(array.any() for array in (dW1, db1, dW2, db2))


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_the_gradient_with_dropout_is_the_derivative_for_the_drawn_mask(
    activation: str, rng: np.random.Generator, slope: Slope
) -> None:
    pair = Pair(activation, rng)
    seed = rng.integers(1000)

    def forward() -> Forward:
        dropout = (0.4, np.random.default_rng(seed))
        result = Forward(pair.forward.layers, pair.forward.activation, len(pair.y), dropout)
        result.X[:] = pair.forward.X
        return result

    def loss() -> float:
        return cross_entropy(forward().run(), pair.y) / len(pair.y)

    expected = slope(loss, pair.P)
    dropped = forward()
    dropped.run()
    Backward(dropped, pair.backward.derivatives).run(pair.y)
    np.testing.assert_allclose(pair.dP, expected, rtol=1e-5, atol=1e-8)


def test_label_smoothing_changes_every_layers_gradient(rng: np.random.Generator, slope: Slope) -> None:
    pair = Pair("tanh", rng)
    targets = np.full((7, 3), 0.2 / 3)
    targets[np.arange(7), pair.y] += 0.8

    def loss() -> float:
        return -float((targets * np.log(pair.forward.run())).sum()) / 7

    expected = slope(loss, pair.P)
    pair.forward.run()
    Backward(pair.forward, pair.backward.derivatives, label_smoothing=0.2).run(pair.y)
    np.testing.assert_allclose(pair.dP, expected, rtol=1e-5, atol=1e-8)
