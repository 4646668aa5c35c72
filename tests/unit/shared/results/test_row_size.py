"""The bound on the size of a batch's rows, against rows that are written."""

from __future__ import annotations

import numpy as np
import pytest

from shared.results.lines import RowWriter
from shared.results.row_size import classes_that_fit, row_bytes

CLASSES = {
    "digits": [str(digit) for digit in range(10)],
    "long names": [f"{index:04d}{'x' * 236}" for index in range(1000)],
    "names with escapes": ['"\\\n' * 40 + str(index) for index in range(50)],
    "names in Chinese": ["汉字" * 40 + str(index) for index in range(50)],
}


def longest_row(classes: list[str], top_k: int) -> int:
    """Return the bytes of a row with the `top_k` longest names and the longest probabilities, without its path."""
    order = np.array(sorted(range(len(classes)), key=lambda index: -len(classes[index].encode())))[:top_k]
    (line,) = RowWriter(classes, top_k).rows([""], order[np.newaxis], np.full((1, top_k), 1.234567e-10))
    return len(line.encode()) - len('""')


@pytest.mark.parametrize("names", CLASSES)
@pytest.mark.parametrize("top_k", [1, 2, 10])
def test_no_row_is_larger_than_estimated(names: str, top_k: int) -> None:
    written = longest_row(CLASSES[names], top_k)

    assert written <= row_bytes(CLASSES[names], top_k) <= 1.2 * written + 20


@pytest.mark.parametrize("names", CLASSES)
def test_the_classes_that_fit_are_as_many_as_the_limit_allows(names: str) -> None:
    classes = CLASSES[names]
    count = classes_that_fit(classes, len(classes), 4096)

    assert count == 1 or row_bytes(classes, count) <= 4096
    assert count == len(classes) or row_bytes(classes, count + 1) > 4096


def test_a_row_has_at_least_one_class() -> None:
    assert classes_that_fit(CLASSES["long names"], 5, 1) == 1
