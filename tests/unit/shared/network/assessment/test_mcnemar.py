"""McNemar's exact test."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from shared.network.assessment.mcnemar import mcnemar


def exact(only_first: int, only_second: int) -> float:
    n = only_first + only_second
    tail = sum(math.comb(n, i) for i in range(min(only_first, only_second) + 1))
    return float(min(Fraction(1), Fraction(2 * tail, 2**n)))


@pytest.mark.parametrize(
    ("only_first", "only_second"),
    [(0, 0), (1, 0), (0, 2), (3, 3), (3, 4), (3, 5), (9, 1), (41, 17), (17, 41), (0, 60), (480, 520), (1, 3000)],
)
def test_p_value_is_the_two_sided_binomial_tail(only_first: int, only_second: int) -> None:
    assert mcnemar(only_first, only_second) == pytest.approx(exact(only_first, only_second), rel=1e-10)


def test_p_value_of_many_images_is_that_of_the_normal_approximation() -> None:
    only_first, only_second = 1_000_000, 1_003_000
    z = (only_second - only_first - 1) / math.sqrt(only_first + only_second)

    assert mcnemar(only_first, only_second) == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-4)
    assert mcnemar(0, 1_000_000) == 0.0
