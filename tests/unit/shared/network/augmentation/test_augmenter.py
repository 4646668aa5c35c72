from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.network.arrays import Array, Images
from shared.network.augmentation import sampling
from shared.network.augmentation.augmenter import Augmenter
from shared.network.augmentation.ranges import Augmentation

SIDE = 21
MIDDLE = SIDE // 2


def distort(images: Images, seed: int = 3, **ranges: Any) -> Array:
    out = np.empty(images.shape, np.float64)
    augmenter = Augmenter((images.shape[1], images.shape[2]), Augmentation(**ranges), out.dtype)
    augmenter.run(images, 1.0, np.random.default_rng(seed), out)
    return out


def blobs(*positions: tuple[float, float], count: int = 300) -> Images:
    """Return images with soft spots around these positions (row, column)."""
    image = np.zeros((SIDE, SIDE))
    for r, c in positions:
        image += np.exp(-np.add.outer((np.arange(SIDE) - r) ** 2, (np.arange(SIDE) - c) ** 2) / 4)
    return np.stack([image] * count)


def centres(images: Array) -> Array:
    """Return the centre of mass of each image: (N, 2), row and column."""
    y, x = np.arange(SIDE), np.arange(SIDE)
    mass = images.sum(axis=(1, 2))
    centre: Array = np.stack([images.sum(axis=2) @ y / mass, images.sum(axis=1) @ x / mass], axis=1)
    return centre


def correlation(a: Array, b: Array) -> float:
    return float(np.asarray(np.corrcoef(a, b))[0, 1])


def test_ranges_of_zero_keep_the_images(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (50, 8, 6), dtype=np.uint8)
    np.testing.assert_array_equal(distort(images), images)


def test_shifts_are_uniform_in_all_directions() -> None:
    moves = centres(distort(blobs((MIDDLE, MIDDLE)), shift=3)) - MIDDLE
    assert np.abs(moves).max() == pytest.approx(3, abs=0.1)
    assert np.abs(moves.mean(axis=0)).max() < 0.3
    assert moves.std() == pytest.approx(3 / np.sqrt(3), rel=0.1)


def test_rotation_is_around_the_middle() -> None:
    arm = centres(distort(blobs((MIDDLE, MIDDLE + 6)), rotation=40)) - MIDDLE
    angles = np.degrees(np.arctan2(arm[:, 0], arm[:, 1]))
    np.testing.assert_allclose(np.hypot(arm[:, 0], arm[:, 1]), 6, rtol=0.02)
    assert np.abs(angles).max() == pytest.approx(40, abs=1)
    assert angles.std() == pytest.approx(40 / np.sqrt(3), rel=0.1)
    assert np.abs(centres(distort(blobs((MIDDLE, MIDDLE)), rotation=40)) - MIDDLE).max() < 0.02


def test_height_and_width_are_scaled_independently() -> None:
    arms = centres(distort(blobs((MIDDLE + 5, MIDDLE + 5)), scale=0.2)) - MIDDLE
    np.testing.assert_allclose(arms.min(axis=0), 4, atol=0.15)
    np.testing.assert_allclose(arms.max(axis=0), 6, atol=0.15)
    assert abs(correlation(arms[:, 0], arms[:, 1])) < 0.15


def test_shear_shifts_rows_in_proportion_to_their_distance_from_the_middle() -> None:
    near = centres(distort(blobs((MIDDLE + 3, MIDDLE)), shear=0.5)) - MIDDLE
    far = centres(distort(blobs((MIDDLE + 6, MIDDLE)), shear=0.5)) - MIDDLE
    np.testing.assert_allclose(far[:, 1], 2 * near[:, 1], atol=0.15)
    np.testing.assert_allclose(far[:, 0], 6, atol=0.1)
    assert np.abs(far[:, 1]).max() == pytest.approx(3, abs=0.15)


def test_elastic_displacements_are_similar_for_neighbours_only() -> None:
    strength = {"elastic": 34, "smoothness": 4}
    here, there = (centres(distort(blobs((MIDDLE, c)), **strength)) - (MIDDLE, c) for c in (MIDDLE, MIDDLE + 1))
    away = centres(distort(blobs((MIDDLE, 2)), **strength)) - (MIDDLE, 2)
    for axis in (0, 1):
        assert correlation(here[:, axis], there[:, axis]) > 0.9
        assert abs(correlation(here[:, axis], away[:, axis])) < 0.7
        assert 0.6 < here[:, axis].std() < 1.6


def test_every_image_is_distorted_differently() -> None:
    results = distort(blobs((MIDDLE, MIDDLE), count=5), shift=2, elastic=10)
    assert len({result.tobytes() for result in results}) == 5


def test_the_same_generator_gives_the_same_distortions() -> None:
    images = blobs((MIDDLE, 5), count=60)
    ranges = {"shift": 2, "rotation": 10, "scale": 0.1, "shear": 0.1, "elastic": 30}
    first, again, other = (distort(images, seed, **ranges) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_block_size_changes_only_the_draws_of_the_elastic_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    images = blobs((MIDDLE, 5), count=20)
    whole = distort(images, shift=2, rotation=10)
    monkeypatch.setattr(sampling, "BLOCK", 3 * SIDE * SIDE)
    np.testing.assert_array_equal(distort(images, shift=2, rotation=10), whole)


def test_bytes_are_scaled_to_the_unit_interval(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (10, 8, 8), dtype=np.uint8)
    out = np.empty(images.shape, np.float32)
    Augmenter((8, 8), Augmentation(rotation=20), out.dtype).run(images, 1 / 255, np.random.default_rng(3), out)
    np.testing.assert_allclose(out, distort(images, rotation=20) / 255, atol=1e-4)
    assert 0 <= out.min() <= out.max() <= 1 + 1e-6
