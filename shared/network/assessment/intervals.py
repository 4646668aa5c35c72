"""The Wilson interval of an accuracy: how far it can be from the true one, given the number of test images."""

from __future__ import annotations

import math
from typing import NamedTuple

Z = 1.959964
"""The standard normal quantile of a 95 % interval."""


class Interval(NamedTuple):
    """A 95 % confidence interval of a share, from 0 to 1."""

    low: float
    high: float


def wilson(correct: int, samples: int) -> Interval:
    """Return the 95 % interval of the share `correct / samples`, samples ≥ 1.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927). Unlike
    p ± z √(p(1-p)/n), it also holds for few images and for shares near 0 and 1.
    """
    p = correct / samples
    centre = p + Z**2 / (2 * samples)
    half = Z * math.sqrt(p * (1 - p) / samples + Z**2 / (4 * samples**2))
    scale = 1 + Z**2 / samples
    # The ends at 0 and 1 are exact, free of rounding, because they are compared with other shares.
    low = (centre - half) / scale if correct else 0.0
    high = (centre + half) / scale if correct < samples else 1.0
    return Interval(low, high)
