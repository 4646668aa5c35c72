from __future__ import annotations

from threading import Thread
from typing import Any

import numpy as np
import pytest

from shared.network.arrays import Array, Images
from shared.network.augmentation import sampling
from shared.network.augmentation.augmenter import Augmenter
from shared.network.augmentation.ranges import Augmentation
from shared.network.errors import ConfigurationError

SIDE = 21
MIDDLE = SIDE // 2
MOVES: dict[str, Any] = {"shift": 2, "rotation": 10, "scale": 0.1, "shear": 0.1, "elastic": 30}
COLOURS: dict[str, Any] = {"brightness": 0.3, "contrast": 0.3, "saturation": 0.5, "hue": 0.2}


def distort(images: Images, seed: int = 3, **ranges: Any) -> Array:
    out = np.empty(images.shape, np.float64)
    augmenter = Augmenter(images.shape[1:], Augmentation(**ranges), out.dtype)
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
    first, again, other = (distort(images, seed, **MOVES, flip=True, cutout=0.3) for seed in (1, 1, 2))
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


def test_settings_that_are_off_draw_no_random_numbers() -> None:
    rng, expected = np.random.default_rng(3), np.random.default_rng(3)
    images = blobs((MIDDLE, MIDDLE), count=60)
    Augmenter((SIDE, SIDE), Augmentation(shift=2), np.dtype("float64")).run(images, 1.0, rng, np.empty(images.shape))
    expected.uniform(-1, 1, (6, 60))
    assert rng.bit_generator.state == expected.bit_generator.state


@pytest.mark.parametrize("shape", [(8, 6), (8, 6, 3)])
def test_flip_mirrors_half_of_the_images(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (400, *shape), dtype=np.uint8)
    for result in (distort(images, flip=True), distort(images, flip=True, shift=1e-9)):
        mirrored = np.isclose(result, images[:, :, ::-1], atol=1e-5).reshape(400, -1).all(axis=1)
        kept = np.isclose(result, images, atol=1e-5).reshape(400, -1).all(axis=1)
        assert (mirrored ^ kept).all()
        assert 160 < mirrored.sum() < 240


def test_a_flipped_image_is_shifted_in_the_drawn_direction() -> None:
    moves, flipped = (centres(distort(blobs((MIDDLE, MIDDLE)), shift=3, flip=flip)) for flip in (False, True))
    np.testing.assert_allclose(flipped[:, 0], moves[:, 0], atol=1e-3)
    assert np.isclose(flipped[:, 1], moves[:, 1], atol=1e-3).mean() == pytest.approx(0.5, abs=0.1)
    assert np.isclose(flipped[:, 1], 2 * MIDDLE - moves[:, 1], atol=1e-3).mean() == pytest.approx(0.5, abs=0.1)


def test_all_channels_are_distorted_alike(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (90, 16, 14, 3), dtype=np.uint8)
    result = distort(images, **MOVES, flip=True)
    for channel in range(3):
        np.testing.assert_array_equal(result[..., channel], distort(images[..., channel], **MOVES, flip=True))


@pytest.mark.parametrize("shape", [(9, 9), (9, 9, 3)])
def test_pixels_from_outside_are_black_or_continue_the_edge(shape: tuple[int, ...]) -> None:
    images = np.full((50, *shape), 200, np.uint8)
    assert (distort(images, shift=4) == 0).any()
    np.testing.assert_allclose(distort(images, shift=4, rotation=50, border="edge"), 200, rtol=1e-12)


def test_colours_change_before_pixels_from_outside_are_black() -> None:
    result = distort(np.full((50, 9, 9), 100, np.uint8), shift=4, contrast=0.9, brightness=0.5)
    assert (result == 0).any()
    largest = result.reshape(50, -1).max(axis=1)
    assert largest.min() < 60
    assert largest.max() > 140


@pytest.mark.parametrize("images", [np.uint8(255), np.float64(1.0)])
def test_colours_stay_in_the_range_of_the_images(images: Any, rng: np.random.Generator) -> None:
    images = (rng.random((60, 8, 8, 3)) * images).astype(images.dtype)
    out = np.empty(images.shape, np.float32)
    factor = 1 / 255 if images.dtype == np.uint8 else 1.0
    augmenter = Augmenter((8, 8, 3), Augmentation(**MOVES, **COLOURS), out.dtype)
    augmenter.run(images, factor, np.random.default_rng(3), out)
    assert out.min() == 0
    assert 0.99 < out.max() <= 1 + 1e-6


@pytest.mark.parametrize("moves", [{}, MOVES])
def test_the_block_size_does_not_change_colours_and_squares(
    moves: dict[str, Any], monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    images = rng.integers(0, 256, (20, SIDE, SIDE, 3), dtype=np.uint8)
    ranges = moves | COLOURS | {"elastic": 0, "flip": True, "cutout": 0.3}
    whole = distort(images, **ranges)
    monkeypatch.setattr(sampling, "BLOCK", 3 * SIDE * SIDE)
    np.testing.assert_allclose(distort(images, **ranges), whole, rtol=1e-12, atol=1e-12)


def test_two_threads_with_an_augmenter_each_give_the_same_bits_as_one_thread(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (32, 24, 24, 3), dtype=np.uint8)
    ranges: dict[str, Any] = {**MOVES, **COLOURS, "flip": True, "cutout": 0.3}
    expected = [distort(images, seed, **ranges) for seed in range(2)]
    results: dict[int, list[Array]] = {0: [], 1: []}

    def repeat(seed: int) -> None:
        out = np.empty((20, *images.shape))
        augmenter = Augmenter(images.shape[1:], Augmentation(**ranges), out.dtype)
        for result in out:
            augmenter.run(images, 1.0, np.random.default_rng(seed), result)
        results[seed] = list(out)

    threads = [Thread(target=repeat, args=(seed,)) for seed in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, repeated in results.items():
        assert len(repeated) == 20
        for result in repeated:
            np.testing.assert_array_equal(result, expected[seed])


@pytest.mark.parametrize(
    ("shape", "ranges", "field"),
    [
        ((8, 8), {"saturation": 0.1}, "augmentation.saturation"),
        ((8, 8), {"hue": 0.1}, "augmentation.hue"),
        ((64,), {"shift": 1}, "augmentation"),
        ((8, 8, 1), {"shift": 1}, "augmentation"),
        ((8, 8, 4), {"shift": 1}, "augmentation"),
    ],
)
def test_an_augmentation_that_does_not_apply_to_the_images_is_rejected(
    shape: tuple[int, ...], ranges: dict[str, Any], field: str
) -> None:
    with pytest.raises(ConfigurationError) as error:
        Augmenter(shape, Augmentation(**ranges), np.dtype("float32"))
    assert error.value.field == field
