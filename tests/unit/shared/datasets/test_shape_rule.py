"""The rule that chooses the shape of a data set's images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.datasets.folders.shape_rule import LARGEST, MULTIPLE, SMALLEST, choose_shape, limit_for


def chosen(*sizes: tuple[int, int], times: int = 1) -> tuple[int, int]:
    return choose_shape(np.array(sizes * times, np.int32))[0]


@pytest.mark.parametrize("size", [(28, 28), (8, 8), (1, 1), (64, 64), (5, 3), (64, 20), (33, 33)])
def test_images_of_one_small_size_keep_it(size: tuple[int, int]) -> None:
    for times in (1, 250, 30_000):
        assert chosen(size, times=times) == size


@pytest.mark.parametrize(
    ("size", "shape"), [((65, 64), (64, 64)), ((200, 200), (64, 64)), ((1000, 50), (48, 48)), ((70, 3), (8, 8))]
)
def test_images_of_one_large_size_are_reduced(size: tuple[int, int], shape: tuple[int, int]) -> None:
    assert chosen(size, times=500) == shape


def test_images_of_mixed_sizes_become_squares_of_the_median_of_their_shorter_sides() -> None:
    assert chosen((20, 90), (31, 40), (33, 35), (200, 100), (30, 30)) == (28, 28)  # the median is 31
    assert chosen((41, 60), (60, 45), (44, 44), times=100) == (44, 44)


@pytest.mark.parametrize(
    ("count", "limit"),
    [(1, 32), (199, 32), (200, 64), (1_999, 64), (2_000, 48), (9_999, 48), (10_000, 32), (2_000_000, 32)],
)
def test_the_number_of_images_limits_the_side(count: int, limit: int) -> None:
    assert limit_for(count) == limit
    if count < 50_000:
        assert chosen((640, 480), times=count) == (limit, limit)


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(1, 500)), min_size=2, max_size=20, unique=True))
def test_a_chosen_side_is_a_multiple_of_4_within_the_bounds(sizes: list[tuple[int, int]]) -> None:
    height, width = chosen(*sizes)

    assert height == width
    assert height % MULTIPLE == 0
    assert SMALLEST <= height <= LARGEST


@given(st.permutations([(30, 40), (100, 20), (64, 64), (7, 9), (50, 51)]))
def test_the_order_of_the_images_does_not_matter(sizes: list[tuple[int, int]]) -> None:
    assert choose_shape(np.array(sizes, np.int32)) == choose_shape(np.array(sorted(sizes), np.int32))


def test_the_reason_names_the_sizes_and_the_limit() -> None:
    _, reason = choose_shape(np.array([(100, 300), (200, 150)] * 200, np.int32))

    assert "400 images of 100 × 150 to 200 × 300 pixels" in reason
    assert "the median of their shorter sides is 125 pixels" in reason
    assert "limit for this number of images is 64" in reason
