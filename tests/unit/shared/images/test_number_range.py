"""The range of images that are sent as numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.images.number_range import NumberRange, OutOfRange, gray_levels, number_range

LEVELS, UNIT, DOUBTFUL = NumberRange(1), NumberRange(255), NumberRange(255, doubtful=True)


@pytest.mark.parametrize(
    ("kind", "low", "high", "expected"),
    [
        ("b", 0, 1, UNIT),
        ("u", 0, 0, LEVELS),
        ("u", 0, 1, DOUBTFUL),
        ("i", 1, 1, DOUBTFUL),
        ("u", 0, 2, LEVELS),
        ("i", 0, 255, LEVELS),
        ("f", 0, 0, UNIT),
        ("f", 0, 1, UNIT),
        ("f", -0.001, 1.001, UNIT),
        ("f", 0, 2, LEVELS),
        ("f", 0, 255, LEVELS),
    ],
)
def test_kind_and_ends_decide_the_range(kind: str, low: float, high: float, expected: NumberRange) -> None:
    assert number_range(kind, low, high) == expected


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("u", 0, 256),
        ("i", -1, 255),
        ("f", 0, 1.1),
        ("f", 0, 1.99),
        ("f", -0.1, 1),
        ("f", -0.0005, 255),
        ("f", 0, 255.5),
        ("f", 0, np.inf),
    ],
)
def test_other_ends_are_rejected_with_their_values(kind: str, low: float, high: float) -> None:
    with pytest.raises(OutOfRange, match=f"range from {low:g} to {high:g}: "):
        number_range(kind, low, high)


def test_nan_is_named() -> None:
    with pytest.raises(OutOfRange, match="must not be NaN"):
        number_range("f", np.nan, np.nan)


@pytest.mark.parametrize(
    ("numbers", "factor", "expected"),
    [
        (np.array([False, True]), 255, [0, 255]),
        (np.array([0, 1]), 255, [0, 255]),
        (np.array([3, 255], ">u2"), 1, [3, 255]),
        (np.array([-0.001, 0.5, 1.001], np.float32), 255, [0, 128, 255]),
        (np.array([0.4, 2.6, 255.0]), 1, [0, 3, 255]),
    ],
)
def test_gray_levels_are_rounded_and_clipped(numbers: np.ndarray[Any, Any], factor: int, expected: list[int]) -> None:
    found = gray_levels(numbers, factor)

    assert found.dtype == np.uint8
    assert found.tolist() == expected
