from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.network import Network, State, Training, preset
from shared.network.arrays import Array, Images, Labels, Parameters
from shared.network.training import pixel_order
from shared.network.training.pixel_order import PixelOrder, widths

SIDE, CLASSES, SAMPLES, BATCH = 6, 3, 60, 4
INACTIVE = 12
"""The number of inactive pixels: every third pixel is active in at most two images."""


@pytest.fixture
def images(rng: np.random.Generator) -> Images:
    images = rng.integers(0, 256, (SAMPLES, SIDE * SIDE), dtype=np.uint8)
    images[:, ::3] = 0
    images[0, 3] = images[0, 6] = images[1, 6] = 200
    return images.reshape(SAMPLES, SIDE, SIDE)


@pytest.fixture
def labels(rng: np.random.Generator) -> Labels:
    return rng.integers(0, CLASSES, SAMPLES)


def rows_of(images: Images) -> Images:
    return images.reshape(SAMPLES, -1)


def training(images: Images, labels: Labels, **overrides: Any) -> Training:
    values = {"hidden": [], "epochs": 2, "batch_size": BATCH, "dtype": "float64", "standardize": False} | overrides
    return Training(Network((SIDE, SIDE), CLASSES, preset("fast", **values)), images, labels)


def order_of(state: State) -> list[int]:
    return list(state["pixels"].tolist())


def test_pixels_are_sorted_by_the_number_of_images_with_them_active(images: Images) -> None:
    order = PixelOrder.by_activity(rows_of(images), BATCH).order
    counts = np.count_nonzero(rows_of(images), axis=0)
    assert (np.diff(counts[order]) <= 0).all()
    assert list(order[-INACTIVE:][:3]) == [6, 3, 0]


def test_the_natural_order_is_kept_if_few_pixels_are_inactive(images: Images) -> None:
    assert PixelOrder.by_activity(rows_of(np.maximum(images, 1)), BATCH).is_natural


def test_the_natural_order_is_kept_for_large_arrays(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel_order, "LARGEST", images.nbytes - 1)
    assert PixelOrder.by_activity(rows_of(images), BATCH).is_natural


def test_rows_are_copied_only_if_the_order_changes(images: Images) -> None:
    rows = rows_of(images)
    order = PixelOrder.by_activity(rows, BATCH)
    np.testing.assert_array_equal(order.arranged(rows), rows[:, order.order])
    assert PixelOrder.natural(rows.shape[1]).arranged(rows) is rows


def test_parameters_are_restored_from_the_trainings_order(rng: np.random.Generator) -> None:
    order = PixelOrder(rng.permutation(5))
    parameters: Parameters = {"layer1.weights": rng.normal(size=(5, 2)), "layer1.biases": rng.normal(size=2)}
    there = order.to_training(parameters)
    np.testing.assert_array_equal(there["layer1.weights"][0], parameters["layer1.weights"][order.order[0]])
    for name, array in order.from_training(there).items():
        np.testing.assert_array_equal(array, parameters[name])


@pytest.mark.parametrize("blocks", [7, 4096])
def test_the_width_of_a_row_covers_all_its_active_pixels(
    blocks: int, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_order, "BLOCK", blocks)
    rows = rows_of(images)
    rows[5], rows[6, :-1] = 0, 0
    rows[6, -1] = 1
    found = widths(rows)
    assert found[5] == 0
    assert found[6] == SIDE * SIDE
    for row, width in zip(rows, found, strict=True):
        assert not row[width:].any()
        assert width == 0 or row[width - 1] != 0


def test_a_training_with_inactive_pixels_equals_plain_gradient_descent(images: Images, labels: Labels) -> None:
    """The test has its own softmax regression by plain gradient descent."""
    rate = 0.3
    subject = training(images, labels, optimizer={"name": "sgd", "learning_rate": rate}, schedule={"name": "constant"})
    assert order_of(subject.state()) != list(range(SIDE * SIDE))
    X, onehot = rows_of(images) / 255, np.eye(CLASSES)[labels]
    W, b = subject.parameters["layer1.weights"], subject.parameters["layer1.biases"]
    while not subject.finished:
        next(subject)
        state = subject.state()
        position = int(state["epoch.position"])
        batch = state["epoch.order"][position - BATCH : position]
        dZ = (_softmax(X[batch] @ W + b) - onehot[batch]) / BATCH
        W, b = W - rate * X[batch].T @ dZ, b - rate * dZ.sum(axis=0)
        np.testing.assert_allclose(subject.parameters["layer1.weights"], W, rtol=0, atol=1e-12)
        np.testing.assert_allclose(subject.parameters["layer1.biases"], b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("optimizer", ["adam", "nesterov", "adamw"])
def test_momentum_still_updates_the_weights_of_inactive_pixels(optimizer: str, images: Images, labels: Labels) -> None:
    """The training with the order gives the result of the training without it."""
    changes = {"optimizer": {"name": optimizer}, "hidden": [5]}
    ordered = training(images, labels, **changes)
    assert order_of(ordered.state()) != list(range(SIDE * SIDE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixel_order, "LARGEST", 0)
        natural = training(images, labels, **changes)
    for one, other in zip(ordered, natural, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-9)
    for name, array in ordered.parameters.items():
        np.testing.assert_allclose(array, natural.parameters[name], rtol=0, atol=1e-9)


def test_a_training_with_inactive_pixels_resumes_to_the_same_bits(images: Images, labels: Labels) -> None:
    changes = {
        "optimizer": {"name": "adam"},
        "hidden": [5],
        "validation_fraction": 0.2,
        "early_stopping": {"patience": 9},
    }
    whole, stopped = training(images, labels, **changes), training(images, labels, **changes)
    for _ in range(5):
        next(stopped)
    resumed = Training.resume(stopped.network, images, labels, stopped.state())
    for subject in (whole, resumed):
        for _ in subject:
            pass
    for name, array in whole.parameters.items():
        assert array.tobytes() == resumed.parameters[name].tobytes()


def test_a_state_of_images_with_other_active_pixels_is_refused(images: Images, labels: Labels) -> None:
    state = training(images, labels).state()
    other = np.roll(images, 1, axis=1)
    with pytest.raises(ValueError, match="other images"):
        Training.resume(training(other, labels).network, other, labels, state)


@pytest.mark.parametrize("changes", [{"augmentation": {"shift": 1}}, {"batch_size": 1}])
def test_augmentation_and_single_images_keep_the_natural_order(
    changes: dict[str, Any], images: Images, labels: Labels
) -> None:
    assert order_of(training(images, labels, **changes).state()) == list(range(SIDE * SIDE))


def _softmax(Z: Array) -> Array:
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    P: Array = E / E.sum(axis=1, keepdims=True)
    return P
