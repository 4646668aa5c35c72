"""Resizing by area."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.images import area
from shared.images.area import area_resize


def resized(pixels: list[Any], height: int, width: int) -> list[Any]:
    result: list[Any] = area_resize(np.array(pixels, np.uint8), (height, width)).tolist()
    return result


def by_fractions(pixels: NDArray[np.uint8], shape: tuple[int, int]) -> list[list[int]]:
    """Resize by the definition: each new pixel is the mean of the area that it covers, rounded half up."""
    old, new = pixels.shape, shape
    means: list[list[int]] = []
    for row in range(new[0]):
        means.append([])
        for column in range(new[1]):
            total = sum(
                int(pixels[y, x]) * overlap(y, row, old[0], new[0]) * overlap(x, column, old[1], new[1])
                for y in range(old[0])
                for x in range(old[1])
            )
            mean = total * Fraction(new[0] * new[1], old[0] * old[1])
            means[-1].append(int(mean + Fraction(1, 2)))
    return means


def overlap(old: int, new: int, olds: int, news: int) -> Fraction:
    """Return the length of an old pixel, whose side is 1, that a new pixel covers."""
    scale = Fraction(olds, news)
    return max(Fraction(0), min(Fraction(old + 1), (new + 1) * scale) - max(Fraction(old), new * scale))


def test_an_integer_ratio_gives_the_means_of_blocks() -> None:
    assert resized([[0, 100, 50, 50], [100, 200, 50, 50]], 1, 2) == [[100, 50]]


def test_a_pixel_shared_by_two_new_pixels_counts_in_parts_for_both() -> None:
    """Three pixels become two: (2 · 30 + 60) / 3 and (60 + 2 · 240) / 3."""
    assert resized([[30, 60, 240]], 1, 2) == [[40, 180]]
    assert resized([[30], [60], [240]], 2, 1) == [[40], [180]]


def test_halves_are_rounded_up() -> None:
    assert resized([[0, 1]], 1, 1) == [[1]]
    assert resized([[2, 3]], 1, 1) == [[3]]


def test_enlarging_repeats_and_blends_pixels() -> None:
    """Two pixels become three: the one in the middle covers half of each."""
    assert resized([[10, 20]], 2, 4) == [[10, 10, 20, 20]] * 2
    assert resized([[10, 20]], 1, 3) == [[10, 15, 20]]


def test_one_axis_can_grow_while_the_other_shrinks() -> None:
    assert resized([[10, 30, 50, 70]], 2, 2) == [[20, 60], [20, 60]]


@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
@pytest.mark.parametrize("shape", [(1, area.MAX_SIDE), (area.MAX_SIDE, 1), (300, 301), (7, 5)])
def test_a_uniform_image_keeps_its_value(value: int, shape: tuple[int, int]) -> None:
    assert (area_resize(np.full(shape, value, np.uint8), (28, 28)) == value).all()


@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)), st.tuples(st.integers(1, 9), st.integers(1, 9)), st.integers(0, 99)
)
def test_each_pixel_is_the_exact_mean_of_its_area(old: tuple[int, int], new: tuple[int, int], seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, old, dtype=np.uint8)

    assert area_resize(pixels, new).tolist() == by_fractions(pixels, new)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 9), st.integers(1, 9), st.integers(1, 500))
def test_the_size_of_a_band_does_not_change_the_result(h: int, w: int, height: int, width: int, band: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (h, w), dtype=np.uint8)
    whole = area_resize(pixels, (height, width))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(area, "BAND", band)
        assert (area_resize(pixels, (height, width)) == whole).all()


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(1, 500),
)
def test_each_channel_of_a_colour_image_is_resized_by_itself(
    old: tuple[int, int], new: tuple[int, int], band: int
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, *old, 3), dtype=np.uint8)
    channels = [area_resize(images[:, :, :, channel].copy(), new) for channel in range(3)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(area, "BAND", band)
        assert (area_resize(images, (*new, 3)) == np.stack(channels, axis=-1)).all()


@pytest.mark.parametrize("shape", [(1, area.MAX_SIDE, 3), (area.MAX_SIDE, 1, 3)])
def test_a_uniform_colour_keeps_its_channels(shape: tuple[int, int, int]) -> None:
    image = np.empty(shape, np.uint8)
    image[...] = (255, 1, 128)

    assert (area_resize(image, (28, 28, 3)) == (255, 1, 128)).all()


def test_a_stack_of_images_is_resized_like_single_images() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 31, 17), dtype=np.uint8)

    stack = area_resize(images, (28, 28))

    assert all((stack[number] == area_resize(image, (28, 28))).all() for number, image in enumerate(images))
