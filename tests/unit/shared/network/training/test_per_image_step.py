from __future__ import annotations

import numpy as np
import pytest

from shared.network import Network, preset
from shared.network.layers.activations import ACTIVATIONS
from shared.network.training.per_image_step import PerImageStep
from shared.network.training.steps import TrainStep

PIXELS, CLASSES, SAMPLES = 30, 4, 20


@pytest.mark.parametrize("source", ["bytes", "floats"])
@pytest.mark.parametrize("hidden", [[], [6], [6, 5]])
@pytest.mark.parametrize("update_order", ["together", "layerwise"])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_per_image_steps_equal_the_general_steps_up_to_rounding(
    activation: str, update_order: str, hidden: list[int], source: str, rng: np.random.Generator
) -> None:
    overrides = {"activation": activation, "update_order": update_order, "hidden": hidden, "dtype": "float64"}
    network = Network((PIXELS,), CLASSES, preset("article", **overrides))
    images = rng.integers(0, 256, (SAMPLES, PIXELS), dtype=np.uint8)
    images[rng.random(images.shape) < 0.6] = 0
    images[7] = 0  # an empty image
    rows = images if source == "bytes" else images / 255
    y = rng.integers(0, CLASSES, SAMPLES)
    parameters = network.initialize(rng)
    single, plain = PerImageStep(network, parameters, rows, y), TrainStep(network, parameters, rows, y, rng)
    for index in range(SAMPLES):
        factor = 1 + index % 3
        following = np.arange(index + 1, SAMPLES) if index < SAMPLES // 2 else None
        loss, right = single.run(np.array([index]), factor, following, measures=True)
        single.settle()
        expected_loss, expected_right = plain.run(np.array([index]), factor, measures=True)
        assert loss == pytest.approx(expected_loss, rel=1e-11)
        assert right == expected_right
        assert single.layer_norms == pytest.approx(plain.layer_norms, rel=1e-9)
        np.testing.assert_allclose(single.P, plain.P, rtol=0, atol=1e-12)
    assert single.update.state() == plain.update.state() == {"steps": SAMPLES}


def test_extreme_probabilities_are_clipped(rng: np.random.Generator) -> None:
    network = Network((PIXELS,), 2, preset("article", hidden=[]))
    parameters = network.initialize(rng)
    parameters["layer1.biases"][:] = (1e4, -1e4)
    blank, label = np.zeros((1, PIXELS), np.uint8), np.array([1])
    for step in (PerImageStep(network, parameters, blank, label), TrainStep(network, parameters, blank, label, rng)):
        loss, right = step.run(np.array([0]), 1.0)
        assert loss == pytest.approx(23.02585)
        assert right == 0


def test_an_overflow_raises_no_warning(rng: np.random.Generator) -> None:
    network = Network((PIXELS,), 2, preset("article", activation="relu", optimizer={"learning_rate": 1e30}))
    step = PerImageStep(network, network.initialize(rng), np.full((1, PIXELS), 255, np.uint8), np.array([1]))
    losses = [step.run(np.array([0]), 1.0)[0] for _ in range(5)]
    assert np.isnan(losses[-1])


def test_the_parameters_are_up_to_date_after_the_last_known_image(rng: np.random.Generator) -> None:
    network = Network((PIXELS,), CLASSES, preset("article", dtype="float64"))
    rows, y = rng.integers(0, 256, (SAMPLES, PIXELS), dtype=np.uint8), rng.integers(0, CLASSES, SAMPLES)
    parameters = network.initialize(rng)
    known, unknown = (PerImageStep(network, parameters, rows, y) for _ in range(2))
    for index in range(SAMPLES):
        known.run(np.array([index]), 1.0, np.arange(index + 1, SAMPLES))
        unknown.run(np.array([index]), 1.0)
    np.testing.assert_allclose(known.P, unknown.P, rtol=0, atol=1e-12)


def test_a_step_does_not_change_the_warnings_outside_it(rng: np.random.Generator) -> None:
    network = Network((PIXELS,), 2, preset("article"))
    before = np.geterr()
    step = PerImageStep(network, network.initialize(rng), np.zeros((1, PIXELS), np.uint8), np.array([1]))
    step.run(np.array([0]), 1.0)
    step.settle()
    assert np.geterr() == before != dict.fromkeys(before, "ignore")
