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
    return sample_with(Sampler(images.shape[1:], y.dtype), images, y, x, factor)


def sample_with(sampler: Sampler, images: Images, y: Array, x: Array, factor: float = 1.0) -> Array:
    out = np.empty(images.shape, y.dtype)
    np.multiply(images, y.dtype.type(factor), out=sampler.source(len(images)))
    sampler.run(y.copy(), x.copy(), out)
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
    coordinates = np.full(images.shape, 2.5)
    assert sample_with(sampler, images, coordinates, coordinates).any()
    assert not sample_with(sampler, np.zeros_like(images[:2]), coordinates[:2], coordinates[:2]).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("edge", [False, True])
def test_each_channel_of_colour_images_is_sampled_like_a_grayscale_image(
    dtype: type[np.floating], edge: bool, rng: np.random.Generator
) -> None:
    images = rng.integers(0, 256, (6, H, W, 3), dtype=np.uint8)
    y, x = (rng.uniform(-3, side + 2, (6, H, W)).astype(dtype) for side in (H, W))
    colour, gray = (Sampler(shape, np.dtype(dtype), edge=edge) for shape in ((H, W, 3), (H, W)))
    result = sample_with(colour, images, y, x, 1 / 255)
    for channel in range(3):
        np.testing.assert_array_equal(result[..., channel], sample_with(gray, images[..., channel], y, x, 1 / 255))


def test_samples_outside_the_image_have_the_colour_of_its_edge_if_it_continues(
    images: Images, rng: np.random.Generator
) -> None:
    y, x = rng.uniform(-9, H + 9, images.shape), rng.uniform(-9, W + 9, images.shape)
    nearest = sample(images, np.clip(y, 0, H - 1), np.clip(x, 0, W - 1))
    sampler = Sampler((H, W), y.dtype, edge=True)
    np.testing.assert_array_equal(sample_with(sampler, images, y, x), nearest)


def test_positions_in_an_image_of_more_pixels_than_float32_counts_are_exact() -> None:
    image = np.zeros((1, 1, 2**22), np.uint8)  # 4 · 2²² pixels with the border; float32 is exact up to 2²⁴
    image[0, 0, -3:] = 3, 7, 5
    x = np.arange(2**22, dtype=np.float32).reshape(image.shape)
    np.testing.assert_array_equal(sample(image, np.zeros_like(x), x), image)
