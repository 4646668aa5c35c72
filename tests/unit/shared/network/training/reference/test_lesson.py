"""The recorded step beside the plain loop of docs/mathematics.md, and beside a training's forward and backward pass."""

from __future__ import annotations

import numpy as np
import pytest

from shared.network import Network, Parameters, preset
from shared.network.layers.activations import ACTIVATIONS
from shared.network.layers.forward_backward import Backward, Forward
from shared.network.training import reference
from shared.network.training.lesson import FORMULAS, MOVE, lesson, losses, moved_losses, sources

RATE = 0.3


def network_of(rng: np.random.Generator, activation: str = "sigmoid") -> tuple[Network, Parameters]:
    network = Network((3, 4), 3, preset("article", hidden=[6, 5], dtype="float64", activation=activation))
    return network, network.initialize(rng)


@pytest.mark.parametrize("layerwise", [True, False])
def test_the_new_weights_are_those_of_the_plain_loop_in_both_orders(layerwise: bool, rng: np.random.Generator) -> None:
    network, parameters = network_of(rng)
    layers = network.dense_layers(parameters)
    X, expected = rng.random((1, 12)), [(W.copy(), b.copy()) for W, b in layers]

    steps = {step.name: step.values for step in lesson(layers, network.activation, X, 2, RATE, layerwise=layerwise)}

    [loss] = reference.train(expected, X, np.array([2]), rng, epochs=1, rate=RATE, layerwise=layerwise)
    for number, (W, b) in enumerate(expected, start=1):
        np.testing.assert_allclose(steps[f"W{number}'"], W, rtol=1e-13)
        np.testing.assert_allclose(steps[f"b{number}'"], b, rtol=1e-13)
    assert steps["L"] == pytest.approx(loss)
    assert all(np.array_equal(W, parameters[f"layer{n}.weights"]) for n, (W, _) in enumerate(layers, start=1))


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_the_gradients_have_the_bits_of_a_trainings_backward_pass(activation: str, rng: np.random.Generator) -> None:
    network, parameters = network_of(rng, activation)
    layers = network.dense_layers(parameters)
    forward = Forward(layers, network.activation, rows=1)
    forward.X[:] = X = rng.random((1, 12))
    derivatives = [(np.empty_like(W), np.empty_like(b)) for W, b in layers]
    P = forward.run().copy()
    Backward(forward, derivatives).run(np.array([1]))

    steps = {step.name: step.values for step in lesson(layers, network.activation, X, 1, RATE, layerwise=False)}

    np.testing.assert_array_equal(steps["P"], P)
    for number, (dW, db) in enumerate(derivatives, start=1):
        np.testing.assert_array_equal(steps[f"dW{number}"], dW)
        np.testing.assert_array_equal(steps[f"db{number}"], db)


def test_the_steps_are_in_the_order_of_computation(rng: np.random.Generator) -> None:
    network, parameters = network_of(rng)
    layers, X = network.dense_layers(parameters)[1:], rng.random((1, 6))

    together = [step.name for step in lesson(layers, network.activation, X, 0, RATE, layerwise=False)]
    layerwise = [step.name for step in lesson(layers, network.activation, X, 0, RATE, layerwise=True)]

    before = ["X", "W1", "b1", "W2", "b2", "Z1", "A1", "Z2", "P", "L", "dZ2", "dW2", "db2"]
    assert together == [*before, "dA1", "dZ1", "dW1", "db1", "W2'", "b2'", "W1'", "b1'"]
    assert layerwise == [*before, "W2'", "b2'", "dA1", "dZ1", "dW1", "db1", "W1'", "b1'"]


@pytest.mark.parametrize("layerwise", [True, False])
def test_the_losses_of_several_steps_are_those_of_the_plain_loop(layerwise: bool, rng: np.random.Generator) -> None:
    network, parameters = network_of(rng)
    layers = network.dense_layers(parameters)
    images = [(rng.random((1, 12)), int(y)) for y in rng.integers(0, 3, 8)]

    found = losses(layers, network.activation, images, RATE, layerwise=layerwise)

    own = [(W.copy(), b.copy()) for W, b in layers]
    expected = [
        reference.train(own, X, np.array([y]), rng, epochs=1, rate=RATE, layerwise=layerwise)[0] for X, y in images
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_moved_weight_changes_the_loss_as_its_derivative_says(rng: np.random.Generator) -> None:
    network, parameters = network_of(rng)
    layers, X = network.dense_layers(parameters), rng.random((1, 12))
    steps = {each.name: each.values for each in lesson(layers, network.activation, X, 1, RATE, layerwise=False)}

    for name, index in (("W1", (3, 2)), ("W3", (4, 1)), ("b2", (0,))):
        lower, higher = moved_losses(layers, network.activation, X, 1, name, index)
        assert (higher - lower) / (2 * MOVE) == pytest.approx(steps[f"d{name}"][index], rel=1e-4)
        assert lower != higher


def test_each_operation_has_a_formula_and_its_source(rng: np.random.Generator) -> None:
    network, parameters = network_of(rng)
    steps = lesson(network.dense_layers(parameters), network.activation, rng.random((1, 12)), 0, RATE, layerwise=True)
    found = sources(network.activation)
    assert {step.operation for step in steps} == FORMULAS.keys() == found.keys() | {"input", "weights"}
    assert found["forward"].startswith("def forward(X: Array, W: Array, b: Array, Y: Array) -> None:")
    assert "\n    np.exp(A, out=A)\n" in found["activation"]
