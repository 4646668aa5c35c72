"""McNemar's exact test: whether two classifiers differ in accuracy on the same images."""

from __future__ import annotations

import math

NEGLIGIBLE = 1e-17  # of a sum


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided p value of the images that only one of two classifiers classifies correctly.

    If both have the same accuracy, each such image is as likely to be the first one's as the second one's, so the count
    of one of them is binomial with probability 1/2 (McNemar 1947; exact version: Fagerland, Lydersen and Laake 2013).
    """
    n, k = only_first + only_second, min(only_first, only_second)
    if 2 * k >= n - 1:
        return 1.0
    # Σ C(n, i) for i = k, k - 1, …, 0, relative to the first and largest term, until the rest is negligible.
    term = total = 1.0
    for i in range(k, 0, -1):
        term *= i / (n - i + 1)
        total += term
        if term < NEGLIGIBLE * total:
            break
    largest = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2)
    return min(1.0, 2 * total * math.exp(largest))
