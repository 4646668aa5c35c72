from __future__ import annotations

import numpy as np
import pytest

from shared.network import averaging
from shared.network.averaging import Average


def test_the_average_follows_its_recurrence(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(averaging, "BLOCK", 3)
    path = rng.normal(size=(40, 7))
    average, expected = Average(path[0], 0.8), path[0].copy()
    for t, P in enumerate(path[1:], start=1):
        d = min(0.8, (1 + t) / (10 + t))
        expected = d * expected + (1 - d) * P
        average.add(P, t)
        np.testing.assert_allclose(average.P, expected, rtol=1e-12)


def test_it_leaves_the_parameters_alone() -> None:
    P = np.ones(5)
    average = Average(P, 0.9)
    P[:] = 2
    average.add(P, 1)
    assert (P == 2).all()
    assert (average.P < 2).all()
