from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.network import ConfigurationError, Network, preset
from shared.network.arrays import Array, Images, Labels
from shared.network.augmentation.augmenter import Augmenter
from shared.network.training import random_state
from shared.network.training.loader import BatchLoader

SIDE = 6
RANGES = {"shift": 1, "rotation": 20, "elastic": 8}


@pytest.fixture
def rows(rng: np.random.Generator) -> Images:
    return rng.integers(0, 256, (40, SIDE * SIDE), dtype=np.uint8)


def loader(rows: Images, **overrides: Any) -> BatchLoader:
    return BatchLoader(Network((SIDE, SIDE), 3, preset("fast", **overrides)), rows)


def filled(subject: BatchLoader, batch: Labels, number: int) -> Array:
    X = np.full((len(batch), SIDE * SIDE), np.nan, np.float32)
    subject.fill(batch, number, X)
    return X


def test_loader_without_augmentation_gathers_and_scales_the_rows(rows: Images) -> None:
    batch = np.array([7, 0, 39])
    np.testing.assert_array_equal(filled(loader(rows), batch, 5), rows[batch].astype(np.float32) * np.float32(1 / 255))


def test_the_width_of_a_batch_covers_all_active_pixels(rows: Images) -> None:
    rows[:, 20:] = 0
    rows[3, 30] = rows[5, 25] = 1
    rows[7] = 0
    subject = loader(rows)
    assert [subject.width(np.array(batch)) for batch in ([3, 5], [5, 7], [7], [0])] == [31, 26, 1, 20]


def test_a_narrow_batch_has_the_leading_pixels(rows: Images) -> None:
    batch = np.array([7, 0, 39])
    X = np.full((3, 10), np.nan, np.float32)
    loader(rows).fill(batch, 5, X)
    np.testing.assert_array_equal(X, filled(loader(rows), batch, 5)[:, :10])


def test_augmented_batches_have_the_full_width(rows: Images) -> None:
    rows[:, 20:] = 0
    assert loader(rows, augmentation=RANGES).width(np.array([0])) == SIDE * SIDE


def test_each_step_distorts_an_image_differently(rows: Images) -> None:
    subject, batch = loader(rows, augmentation=RANGES), np.array([7, 7])
    first, second = filled(subject, batch, 5), filled(subject, batch, 6)
    assert (first[0] != first[1]).any()
    assert (first != second).any()


def test_a_step_gives_the_same_bits_after_any_other_fill(rows: Images) -> None:
    subject, batch = loader(rows, augmentation=RANGES), np.arange(9)
    first = filled(subject, batch, 5)
    filled(subject, np.arange(20), 6)
    np.testing.assert_array_equal(filled(subject, batch, 5), first)
    np.testing.assert_array_equal(filled(loader(rows, augmentation=RANGES), batch, 5), first)
    assert (filled(loader(rows, augmentation=RANGES, seed=1), batch, 5) != first).any()


def test_the_rows_are_not_changed(rows: Images) -> None:
    before = rows.copy()
    filled(loader(rows, augmentation=RANGES), np.arange(9), 0)
    np.testing.assert_array_equal(rows, before)


def test_colour_images_are_augmented_as_images_of_three_channels(rng: np.random.Generator) -> None:
    rows = rng.integers(0, 256, (40, SIDE * SIDE * 3), dtype=np.uint8)
    network = Network((SIDE, SIDE, 3), 3, preset("fast", augmentation=RANGES | {"hue": 0.1, "flip": True}))
    batch = np.array([7, 0, 39])
    X = np.full((3, SIDE * SIDE * 3), np.nan, np.float32)
    BatchLoader(network, rows).fill(batch, 5, X)

    assert network.configuration.augmentation is not None
    expected = np.empty((3, SIDE, SIDE, 3), np.float32)
    augmenter = Augmenter((SIDE, SIDE, 3), network.configuration.augmentation, expected.dtype)
    rng = random_state.seeded(network.configuration.seed, random_state.AUGMENTATION, 5)
    augmenter.run(rows[batch].reshape(expected.shape), 1 / 255, rng, expected)
    np.testing.assert_array_equal(X.reshape(expected.shape), expected)


def test_a_setting_for_colours_is_rejected_for_grayscale_images() -> None:
    with pytest.raises(ConfigurationError) as error:
        Network((SIDE, SIDE), 3, preset("fast", augmentation={"saturation": 0.1}))
    assert error.value.field == "augmentation.saturation"


def test_augmentation_of_images_without_height_and_width_is_refused() -> None:
    with pytest.raises(ConfigurationError) as error:
        Network((36,), 3, preset("fast", augmentation=RANGES))
    assert error.value.field == "augmentation"
