from __future__ import annotations

import numpy as np
import pytest

from shared.datasets.builtin.digits import load_digits
from shared.network import Progress, Training
from shared.network.assessment import linear
from shared.network.assessment.linear import linear_baseline
from tests.support.data.npz import easy_images


def test_a_linear_model_learns_classes_that_are_linearly_separable() -> None:
    x, y = easy_images(360)
    assert linear_baseline(x[:300], y[:300], x[300:], y[300:], 3, seed=0) == (1.0, 1.0)


def test_a_linear_model_of_the_digits_has_the_known_accuracy() -> None:
    x, y = load_digits()
    baseline = linear_baseline(x[:1400], y[:1400], x[1400:], y[1400:], 10, seed=0)
    assert 0.88 < baseline.test_accuracy < 0.95  # scikit-learn's LogisticRegression has 0.914 on this split


def test_a_linear_model_learns_hue_alone(rng: np.random.Generator) -> None:
    y = np.arange(200) % 2
    x = rng.integers(0, 80, (200, 8, 8, 3), dtype=np.uint8)
    x[np.arange(200), :, :, y] += 60  # red or green
    assert linear_baseline(x[:160], y[:160], x[160:], y[160:], 2, seed=0).test_accuracy == 1.0


def test_a_linear_model_of_random_labels_is_at_chance(rng: np.random.Generator) -> None:
    x, _ = easy_images(600)
    y = rng.integers(0, 3, 600)
    assert linear_baseline(x[:300], y[:300], x[300:], y[300:], 3, seed=0).test_accuracy < 0.42


def test_the_same_seed_gives_the_same_bits(rng: np.random.Generator) -> None:
    x, y = rng.integers(0, 256, (300, 6, 6), dtype=np.uint8), rng.integers(0, 3, 300)
    first, second, other = (linear_baseline(x[:200], y[:200], x[200:], y[200:], 3, seed) for seed in (1, 1, 2))
    assert first == second != other


def test_equal_images_give_the_accuracy_of_a_constant_prediction() -> None:
    x, y = np.full((90, 5, 5), 128, np.uint8), np.arange(90) % 3
    assert linear_baseline(x[:60], y[:60], x[60:], y[60:], 3, seed=0).test_accuracy == pytest.approx(1 / 3)


def test_one_training_image_is_enough() -> None:
    x, y = easy_images(4)
    assert 0 <= linear_baseline(x[:1], y[:1], x[1:], y[1:], 3, seed=0).test_accuracy <= 1


def test_the_budget_bounds_the_images_and_the_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[tuple[int, int]] = []

    class Recorded(Training):
        def __next__(self) -> Progress:
            step = super().__next__()
            trained.append((step.epoch, step.samples))
            return step

    monkeypatch.setattr(linear, "Training", Recorded)
    monkeypatch.setattr(linear, "STORED", 36 * 50)
    monkeypatch.setattr(linear, "OPERATIONS", 36 * 50 * (3 + 20) * 4 + 1)
    x, y = easy_images(200)

    linear_baseline(x, y, x, y, 3, seed=0)

    assert trained[-1] == (4, 50)
