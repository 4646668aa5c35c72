from __future__ import annotations

import math

import numpy as np
import pytest

from shared.network.arrays import Array, Images
from shared.network.augmentation.sampling import Sampler

H, W = 5, 7


def interpolate(image: Images, y: float, x: float) -> float:
    """Return the bilinear interpolation at one point."""
    top, left = math.floor(y), math.floor(x)
    total = 0.0
    for row, column in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        weight = (1 - abs(y - row)) * (1 - abs(x - column))
        if 0 <= row < H and 0 <= column < W:
            total += weight * float(image[row, column])
    return total


def sample(images: Images, y: Array, x: Array, factor: float = 1.0) -> Array:
    out = np.empty(images.shape, y.dtype)
    Sampler((H, W), y.dtype).run(images, y.copy(), x.copy(), factor, out)
    return out


@pytest.fixture
def images(rng: np.random.Generator) -> Images:
    return rng.integers(0, 256, (6, H, W), dtype=np.uint8)


def test_sampling_interpolates_between_four_neighbours(images: Images, rng: np.random.Generator) -> None:
    y, x = rng.uniform(-3, H + 2, images.shape), rng.uniform(-3, W + 2, images.shape)
    expected = [
        [[interpolate(images[i], y[i, r, c], x[i, r, c]) for c in range(W)] for r in range(H)] for i in range(6)
    ]
    np.testing.assert_allclose(sample(images, y, x), expected, rtol=1e-10, atol=1e-10)


def test_sampling_at_the_pixels_own_coordinates_returns_the_image(images: Images) -> None:
    y, x = np.broadcast_arrays(*np.ogrid[: float(H), : float(W)])
    y, x = (np.repeat(coordinates[np.newaxis], 6, axis=0).astype(np.float32) for coordinates in (y, x))
    np.testing.assert_array_equal(sample(images, y, x), images)
    np.testing.assert_allclose(sample(images, y, x, 1 / 255), images / 255, rtol=1e-6)


@pytest.mark.parametrize("far", [-1.0, float(H), -1e30, 1e30, -np.inf, np.inf])
def test_samples_outside_the_image_are_zero(images: Images, far: float) -> None:
    inside = np.full(images.shape, 2.5)
    assert not sample(images, np.full(images.shape, far), inside).any()


def test_a_second_batch_does_not_depend_on_the_first(images: Images) -> None:
    sampler = Sampler((H, W), np.dtype("float64"))
    out = np.empty(images.shape)
    coordinates = np.full(images.shape, 2.5)
    sampler.run(images, coordinates.copy(), coordinates.copy(), 1.0, out)
    sampler.run(np.zeros_like(images[:2]), coordinates[:2].copy(), coordinates[:2].copy(), 1.0, out[:2])
    assert not out[:2].any()
