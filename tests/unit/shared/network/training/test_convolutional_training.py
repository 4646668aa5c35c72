"""Trainings of convolutional networks: the same bits on every run, with any number of threads, and after a resume."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from shared.network import Configuration, Network, Training, preset
from shared.network.arrays import Images, Labels
from shared.network.convolutions.layer import CHUNK
from shared.network.training import convolutional_step

SHAPE = (9, 8, 3)
CLASSES = 3
BLOCKS = [
    {"filters": 6, "batch_norm": True, "pool_size": 2},
    {"filters": 5, "kernel_size": 2, "padding": "valid"},
]


def configuration(**changes: Any) -> Configuration:
    settings = {
        "convolutions": BLOCKS,
        "hidden": [8],
        "standardize": True,
        "dropout": 0.25,
        "batch_size": 3 * CHUNK - 10,
        "epochs": 3,
        "optimizer": {"name": "adam", "learning_rate": 0.01},
        "validation_fraction": 0.1,
        "early_stopping": {"patience": 3},
        "weight_decay": 1e-4,
        "gradient_clip": 1.0,
    }
    return preset("fast", **(settings | changes))


@pytest.fixture
def images(rng: np.random.Generator) -> Images:
    """Three classes by the channel that is bright."""
    images = rng.integers(0, 120, (250, *SHAPE), dtype=np.uint8)
    images[np.arange(250), :, :, np.arange(250) % 3] += 80
    return images


@pytest.fixture
def labels() -> Labels:
    return np.arange(250) % 3


def trained(images: Images, labels: Labels, threads: int = 1, **changes: Any) -> Training:
    training = Training(Network(SHAPE, CLASSES, configuration(**changes)), images, labels, threads=threads)
    for _ in training:
        pass
    return training


def assert_same_bits(first: Training, second: Training) -> None:
    for name, array in first.parameters.items():
        np.testing.assert_array_equal(array, second.parameters[name], err_msg=name)
    for one, other in zip(first.history, second.history, strict=True):
        assert (one.train_loss, one.validation_loss, one.gradient_norm, one.dead_units) == (
            other.train_loss,
            other.validation_loss,
            other.gradient_norm,
            other.dead_units,
        )


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_bits_do_not_depend_on_the_number_of_threads(images: Images, labels: Labels, threads: int) -> None:
    assert_same_bits(trained(images, labels), trained(images, labels, threads))


@pytest.mark.parametrize("threads", [1, 2])
def test_the_bits_do_not_depend_on_how_many_chunks_are_computed_in_a_round(
    images: Images, labels: Labels, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_size = 6 * CHUNK
    expected = trained(images, labels, batch_size=batch_size)
    monkeypatch.setattr(convolutional_step, "MAX_DERIVATIVES", 0)
    assert_same_bits(expected, trained(images, labels, threads, batch_size=batch_size))


def test_a_large_mini_batch_stores_derivatives_of_bounded_size() -> None:
    shape = (96, 96, 3)
    network = Network(shape, CLASSES, configuration(hidden=[500], batch_size=1024, standardize=False))
    rows = np.zeros((1200, 96 * 96 * 3), np.uint8)
    parameters = network.initialize(np.random.default_rng(0))
    tracemalloc.start()
    try:
        convolutional_step.ConvolutionalStep(network, parameters, rows, np.zeros(1200, np.int64), threads=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    vectors = 8 * network.parameter_count * 4  # parameters, derivatives and the optimizer's state
    assert peak < convolutional_step.MAX_DERIVATIVES + vectors


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8])
def test_a_training_resumes_at_any_mini_batch_to_the_same_bits(images: Images, labels: Labels, steps: int) -> None:
    network = Network(SHAPE, CLASSES, configuration())
    interrupted = Training(network, images, labels)
    for _ in range(steps):
        next(interrupted)
    resumed = Training.resume(network, images, labels, interrupted.state(), threads=2)
    for _ in resumed:
        pass
    assert_same_bits(trained(images, labels), resumed)


@pytest.mark.parametrize("threads", [1, 2])
def test_augmented_images_have_the_same_bits_on_any_number_of_threads(labels: Labels, threads: int) -> None:
    gray = np.random.default_rng(0).integers(0, 256, (250, 9, 8), dtype=np.uint8)
    network = Network((9, 8), CLASSES, configuration(augmentation={"shift": 1, "rotation": 10}, epochs=1))
    first, second = Training(network, gray, labels), Training(network, gray, labels, threads=threads)
    assert [next(first).train_loss for _ in range(3)] == [next(second).train_loss for _ in range(3)]


def test_the_network_learns_what_only_colour_tells(images: Images, labels: Labels) -> None:
    training = trained(images, labels, epochs=12, early_stopping=None)
    assert training.network.evaluate(training.parameters, images, labels).accuracy > 0.95


def test_an_image_has_the_same_bits_alone_and_among_others(images: Images, labels: Labels) -> None:
    training = trained(images, labels, epochs=1)
    network, parameters = training.network, training.parameters
    together = network.probabilities(parameters, images)
    for index in (0, 31, 32, 249):
        alone = network.probabilities(parameters, images[index : index + 1])
        np.testing.assert_array_equal(alone[0], together[index])
    np.testing.assert_array_equal(network.probabilities(parameters, images[7:50]), together[7:50])


def test_rows_and_images_of_bytes_and_of_numbers_give_the_same_probabilities(images: Images, labels: Labels) -> None:
    training = trained(images, labels, epochs=1)
    network, parameters = training.network, training.parameters
    expected = network.probabilities(parameters, images)
    np.testing.assert_array_equal(network.probabilities(parameters, images.reshape(250, -1)), expected)
    numbers = (images / 255).astype(np.float32)
    np.testing.assert_allclose(network.probabilities(parameters, numbers), expected, atol=1e-6)


def test_standardization_is_that_of_the_images_that_are_trained_on(images: Images, labels: Labels) -> None:
    training = trained(images, labels, epochs=1, validation_fraction=0, early_stopping=None)
    scaled = images / 255
    np.testing.assert_allclose(training.parameters["input.mean"], scaled.mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(training.parameters["input.deviation"], scaled.std(axis=(0, 1, 2)), rtol=1e-5)


def test_a_constant_channel_is_only_shifted(labels: Labels, rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (250, *SHAPE), dtype=np.uint8)
    images[..., 1] = 77
    training = trained(images, labels, epochs=1)
    assert training.parameters["input.deviation"][1] == 1
    assert training.parameters["input.mean"][1] == pytest.approx(77 / 255)


def test_dead_filters_are_counted(images: Images, labels: Labels) -> None:
    training = Training(Network(SHAPE, CLASSES, configuration(epochs=1, batch_size=225)), images, labels)
    assert len(training.network.initialize(np.random.default_rng(0))) > 0
    for _ in training:
        pass
    report = training.history[-1]
    assert len(report.dead_units) == 3
    assert len(report.layer_gradient_norms) == 4
    assert report.gradient_norm == pytest.approx(np.linalg.norm(report.layer_gradient_norms), rel=1e-3)
    shift = training._step.P
    training.network.layout.views(shift)["layer1.shift"][:3] = -1e6
    assert training._dead_units.dead_units()[0] == 0.5


def test_a_dense_network_can_be_standardized_too(images: Images, labels: Labels) -> None:
    dense: dict[str, Any] = {"convolutions": [], "dropout": 0.0, "epochs": 12, "early_stopping": None}
    training = trained(images, labels, **dense)
    assert "input.mean" in training.parameters
    assert training.network.evaluate(training.parameters, images, labels).accuracy > 0.9
