from __future__ import annotations

import pytest

from shared.network.assessment.intervals import wilson


@pytest.mark.parametrize(
    ("correct", "samples", "low", "high"),
    [  # from R's `prop.test(correct, samples, correct = FALSE)`
        (5, 10, 0.2366, 0.7634),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (931, 1000, 0.9136, 0.9451),
        (1, 1, 0.2065, 1.0),
    ],
)
def test_the_wilson_interval_has_the_published_bounds(correct: int, samples: int, low: float, high: float) -> None:
    assert wilson(correct, samples) == pytest.approx((low, high), abs=5e-5)


def test_the_wilson_interval_contains_the_share_and_lies_between_0_and_1() -> None:
    for samples in (1, 2, 7, 100, 10_000):
        for correct in {0, 1, samples // 2, samples - 1, samples}:
            low, high = wilson(correct, samples)
            assert 0 <= low <= correct / samples <= high <= 1


def test_the_interval_of_no_or_every_image_ends_exactly_at_0_or_1() -> None:
    for samples in range(1, 300):
        assert wilson(0, samples).low == 0.0
        assert wilson(samples, samples).high == 1.0


def test_the_wilson_interval_narrows_with_the_number_of_images() -> None:
    widths = [high - low for low, high in (wilson(9 * n, 10 * n) for n in (1, 10, 100, 1000))]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.012
