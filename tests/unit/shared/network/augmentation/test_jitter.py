from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from shared.network.arrays import Array
from shared.network.augmentation.jitter import LUMA, ColorJitter
from shared.network.augmentation.ranges import Augmentation

ALL: dict[str, Any] = {"brightness": 0.4, "contrast": 0.3, "saturation": 0.2, "hue": 0.1}


def changed(
    pixels: Any, brightness: float = 1.0, contrast: float = 1.0, saturation: float = 1.0, hue: float = 0.0
) -> Array:
    """Return one image of these pixels, (W,) or (W, 3), after these changes; hue in radians."""
    images = np.array(pixels)[np.newaxis, np.newaxis]
    out = np.empty(images.shape)
    changes = np.array([[brightness], [contrast], [saturation], [hue]])
    factor = 1 / 255 if images.dtype == np.uint8 else 1.0
    ColorJitter(images.shape[1:], Augmentation(), out.dtype).run(images, factor, changes, out)
    result: Array = out[0, 0]
    return result


def test_brightness_multiplies_the_values() -> None:
    np.testing.assert_allclose(changed([0.2, 0.4], brightness=1.5), [0.3, 0.6])
    np.testing.assert_allclose(changed([[0.2, 0.4, 0.6]], brightness=0.5), [[0.1, 0.2, 0.3]])


def test_values_are_clipped_to_the_range_of_the_images() -> None:
    np.testing.assert_allclose(changed([0.2, 0.8], brightness=2), [0.4, 1])
    np.testing.assert_allclose(changed([0.0, 1.0], contrast=1.9), [0, 1])
    np.testing.assert_allclose(changed(np.array([[0, 100, 255]], np.uint8), brightness=1.5), [[0, 150 / 255, 1]])


def test_contrast_multiplies_differences_from_the_mean_luma() -> None:
    np.testing.assert_allclose(changed([0.2, 0.6], contrast=0.5), [0.3, 0.5])
    np.testing.assert_allclose(changed([0.2, 0.6], contrast=1.5), [0.1, 0.7])
    mean = 0.299 / 2  # of a red and a black pixel
    expected = [[0.5 + mean / 2, mean / 2, mean / 2], [mean / 2] * 3]
    np.testing.assert_allclose(changed([[1.0, 0, 0], [0, 0, 0]], contrast=0.5), expected)


def test_brightness_applies_to_the_result_of_contrast() -> None:
    np.testing.assert_allclose(changed([0.2, 0.6], contrast=0.5, brightness=0.5), [0.15, 0.25])
    np.testing.assert_allclose(changed(np.array([0, 100], np.uint8), contrast=0.5), np.array([25, 75]) / 255)


def test_saturation_multiplies_differences_from_the_luma() -> None:
    np.testing.assert_allclose(changed([[1.0, 0, 0]], saturation=0), [[0.299] * 3])
    luma = 0.299 * 0.6 + (1 - 0.299) * 0.4
    expected = [luma + 1.5 * (0.6 - luma), luma + 1.5 * (0.4 - luma), luma + 1.5 * (0.4 - luma)]
    np.testing.assert_allclose(changed([[0.6, 0.4, 0.4]], saturation=1.5), [expected])


def test_half_a_turn_of_the_hue_gives_the_opposite_colour_of_the_same_luma() -> None:
    pixel = np.array([0.6, 0.4, 0.4])
    np.testing.assert_allclose(changed([pixel], hue=math.pi), [2 * (pixel @ LUMA) - pixel])


def test_three_thirds_of_a_turn_of_the_hue_give_the_colour_again() -> None:
    pixel = np.array([[0.5, 0.45, 0.55]])
    once = changed(pixel, hue=math.tau / 3)
    assert np.abs(once - pixel).max() > 0.04
    np.testing.assert_allclose(changed(changed(once, hue=math.tau / 3), hue=math.tau / 3), pixel)


def test_saturation_and_hue_keep_the_luma_and_grays(rng: np.random.Generator) -> None:
    pixels = rng.uniform(0.4, 0.6, (50, 3))
    np.testing.assert_allclose(changed(pixels, saturation=1.2, hue=1.0) @ LUMA, pixels @ LUMA)
    grays = np.repeat(rng.random((50, 1)), 3, axis=1)
    np.testing.assert_allclose(changed(grays, saturation=1.2, hue=1.0), grays, rtol=1e-12)


def test_grays_of_a_colour_image_change_like_those_of_a_grayscale_image(rng: np.random.Generator) -> None:
    grays = rng.integers(0, 256, 50, dtype=np.uint8)
    colour = changed(np.repeat(grays[:, np.newaxis], 3, axis=1), brightness=0.8, contrast=1.3)
    np.testing.assert_allclose(colour, np.repeat(changed(grays, 0.8, 1.3)[:, np.newaxis], 3, axis=1), atol=1e-12)


@pytest.mark.parametrize("shape", [(8, 6), (8, 6, 3)])
def test_images_without_changes_are_multiplied_by_the_factor(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (5, *shape), dtype=np.uint8)
    jitter = ColorJitter(shape, Augmentation(), np.dtype("float32"))
    out = np.empty(images.shape, np.float32)
    changes = jitter.draw(5, rng)
    assert changes is None
    jitter.run(images, 1 / 255, changes, out)
    np.testing.assert_array_equal(out, images * np.float32(1 / 255))


def test_changes_are_uniform_within_their_ranges(rng: np.random.Generator) -> None:
    changes = ColorJitter((8, 8, 3), Augmentation(**ALL), np.dtype("float32")).draw(4000, rng)
    assert changes is not None
    for row, middle, largest in zip(changes, (1, 1, 1, 0), (0.4, 0.3, 0.2, 0.1 * math.tau), strict=True):
        assert np.abs(row - middle).max() == pytest.approx(largest, rel=0.01)
        assert (row - middle).std() == pytest.approx(largest / math.sqrt(3), rel=0.05)
        assert abs((row - middle).mean()) < 0.05 * largest


@pytest.mark.parametrize(("name", "row"), [("brightness", 0), ("contrast", 1), ("saturation", 2), ("hue", 3)])
def test_a_single_setting_changes_its_own_factor(name: str, row: int, rng: np.random.Generator) -> None:
    ranges: dict[str, Any] = {name: 0.5}
    changes = ColorJitter((8, 8, 3), Augmentation(**ranges), np.dtype("float32")).draw(10, rng)
    assert changes is not None
    unchanged = np.delete(changes, row, axis=0)
    np.testing.assert_array_equal(unchanged, np.repeat(np.delete([[1.0], [1], [1], [0]], row, axis=0), 10, axis=1))
    assert len(set(changes[row])) == 10
