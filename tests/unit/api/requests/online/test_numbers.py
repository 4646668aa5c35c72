"""JSON numbers as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from api.requests.online.numbers import MOST_AXES, array_of


def nested(depth: int) -> Any:
    """Return 1 in this many lists."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, -2], np.int64),
        ([2**63], np.uint64),
        ([-1, 2**63], np.float64),
        ([2**70], np.float64),
        ([0.5, 2.0], np.float64),
        ([1, 0.5], np.float64),
        ([0.5, 1], np.float64),
        ([True, False], np.bool_),
        ([[1, 2], [3, 4]], np.int64),
        ([[[0.5], [1]], [[2], [3]]], np.float64),
        ([[], []], np.float64),
        ([], np.float64),
        (nested(MOST_AXES), np.int64),
    ],
)
def test_numbers_become_an_array_of_their_kind_and_shape(values: list[Any], dtype: type) -> None:
    array = array_of(values)

    assert array is not None
    assert array.dtype == dtype
    assert array.shape == np.array(values).shape
    assert array.tolist() == np.array(values, dtype).tolist()


@pytest.mark.parametrize(
    "values",
    [
        1,
        None,
        "12",
        {},
        {"0": 1},
        [None],
        [1.5, None],
        ["1"],
        [1, "2"],
        [0.5, "2"],
        [{}],
        [1, {}],
        [[1], 2],
        [1, [2]],
        [0.5, [2]],
        [[1, 2], [3]],
        [[1], [[2]]],
        [[1], "ab"],
        nested(MOST_AXES + 1),
    ],
)
def test_anything_but_a_block_of_numbers_is_no_array(values: Any) -> None:
    assert array_of(values) is None
