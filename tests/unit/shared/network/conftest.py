"""Fixtures of the network's tests: a seeded generator, and a function's numerical derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Slope = Callable[[Callable[[], float], np.ndarray[Any, Any]], np.ndarray[Any, Any]]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240229)


@pytest.fixture
def slope() -> Slope:
    """Return slope(f, x): f()'s derivative with respect to each element of x, by central differences in float64."""

    def measure(f: Callable[[], float], x: np.ndarray[Any, Any], h: float = 1e-6) -> np.ndarray[Any, Any]:
        assert x.dtype == np.float64
        result = np.empty_like(x)
        for index in np.ndindex(x.shape):
            kept = x[index]
            x[index] = kept + h
            above = f()
            x[index] = kept - h
            below = f()
            x[index] = kept
            result[index] = (above - below) / (2 * h)
        return result

    return measure
