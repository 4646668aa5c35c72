"""The recorded step beside the plain loop of docs/mathematics.md, and beside a training's forward and backward pass."""

from __future__ import annotations

import numpy as np
import pytest

from shared.network import Network, Parameters, preset
from shared.network.layers.activations import ACTIVATIONS
from shared.network.layers.forward_backward import Backward, Forward
from shared.network.training import reference
from shared.network.training.lesson import FORMULAS, lesson, sources

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

    before = ["X", "Z1", "A1", "Z2", "P", "L", "dZ2", "dW2", "db2"]
    assert together == [*before, "dA1", "dZ1", "dW1", "db1", "W2'", "b2'", "W1'", "b1'"]
    assert layerwise == [*before, "W2'", "b2'", "dA1", "dZ1", "dW1", "db1", "W1'", "b1'"]


def test_each_operation_has_a_formula_and_its_source(rng: np.random.Generator) -> None:
    network, parameters = network_of(rng)
    steps = lesson(network.dense_layers(parameters), network.activation, rng.random((1, 12)), 0, RATE, layerwise=True)
    found = sources(network.activation)
    assert {step.operation for step in steps} == FORMULAS.keys() == found.keys() | {"input"}
    assert found["forward"].startswith("def forward(X: Array, W: Array, b: Array, Y: Array) -> None:")
    assert "np.exp(A, out=A)" in found["activation"]
