from __future__ import annotations

import numpy as np
import pytest

from shared.network import Network, preset
from shared.network.training.dead_units import DeadUnits


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh", "gelu"])
def test_a_unit_with_a_flat_activation_for_every_image_is_dead(activation: str, rng: np.random.Generator) -> None:
    network = Network((6,), 3, preset("fast", standardize=False, hidden=[8, 4], activation=activation))
    parameters = network.initialize(rng)
    for name, array in parameters.items():
        array[:] = 0.1 * array + (0.1 if name.endswith("biases") else 0)  # no dead units except these:
    parameters["layer1.biases"][:2] = -1000
    parameters["layer2.biases"][3] = -1000
    rows = rng.integers(0, 256, (30, 6), dtype=np.uint8)
    measured = DeadUnits(network, rows, np.arange(30), network.layout.pack(parameters))
    assert measured.dead_units() == (0.25, 0.25)


def test_a_unit_that_learns_from_one_image_is_not_dead(rng: np.random.Generator) -> None:
    network = Network((6,), 3, preset("fast", standardize=False, hidden=[1], activation="relu"))
    parameters = network.initialize(rng)
    parameters["layer1.weights"][:] = [[1], [0], [0], [0], [0], [0]]
    parameters["layer1.biases"][:] = -0.5
    rows = np.zeros((30, 6), np.uint8)
    P = network.layout.pack(parameters)
    assert DeadUnits(network, rows, np.arange(30), P).dead_units() == (1.0,)
    rows[17, 0] = 255
    assert DeadUnits(network, rows, np.arange(30), P).dead_units() == (0.0,)
    assert DeadUnits(network, rows, np.array([3, 4]), P).dead_units() == (1.0,)


@pytest.mark.parametrize("activation", ["leaky_relu", "identity"])
def test_units_with_a_slope_everywhere_are_never_dead(activation: str, rng: np.random.Generator) -> None:
    network = Network((6,), 3, preset("fast", standardize=False, hidden=[8], activation=activation))
    parameters = network.initialize(rng)
    parameters["layer1.biases"][:] = -1e6
    rows = rng.integers(0, 256, (30, 6), dtype=np.uint8)
    assert DeadUnits(network, rows, np.arange(30), network.layout.pack(parameters)).dead_units() == (0.0,)


def test_dead_units_are_measured_for_the_current_parameters(rng: np.random.Generator) -> None:
    network = Network((6,), 3, preset("fast", standardize=False, hidden=[8], activation="relu"))
    P = network.layout.pack(network.initialize(rng))
    measured = DeadUnits(network, rng.integers(0, 256, (30, 6), dtype=np.uint8), np.arange(30), P)
    alive = measured.dead_units()
    network.layout.views(P)["layer1.biases"][:] = -1e6
    assert alive < measured.dead_units() == (1.0,)


def test_a_network_without_hidden_layers_has_no_dead_units(rng: np.random.Generator) -> None:
    network = Network((6,), 3, preset("fast", standardize=False, hidden=[]))
    P = network.layout.pack(network.initialize(rng))
    assert DeadUnits(network, np.zeros((3, 6), np.uint8), np.arange(3), P).dead_units() == ()
