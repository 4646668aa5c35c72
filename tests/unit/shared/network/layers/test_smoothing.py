from __future__ import annotations

import numpy as np

from shared.network.layers import softmax
from shared.network.layers.softmax import smoothed_logit_gradient
from tests.unit.shared.network.conftest import Slope


def test_the_smoothed_gradient_is_the_derivative_of_the_smoothed_loss(rng: np.random.Generator, slope: Slope) -> None:
    Z, y, smoothing = rng.normal(size=(6, 4)), rng.integers(0, 4, 6), 0.3
    targets = np.full((6, 4), smoothing / 4)
    targets[np.arange(6), y] += 1 - smoothing

    def loss() -> float:
        return -float((targets * (Z - np.log(np.exp(Z).sum(axis=1, keepdims=True)))).sum()) / 6

    P = np.empty_like(Z)
    softmax.softmax(Z, P)
    expected = slope(loss, Z)
    smoothed_logit_gradient(P, y, smoothing)
    np.testing.assert_allclose(P, expected, rtol=1e-6, atol=1e-9)
