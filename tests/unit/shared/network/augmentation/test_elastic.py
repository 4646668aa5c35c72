from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from shared.network.arrays import Array
from shared.network.augmentation.elastic import ElasticFields

ALPHA, SIGMA = 34.0, 4.0


def smoothed_noise(count: int, side: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return the paper's fields: uniform noise, convolved with a Gaussian along each axis, away from the edges."""
    reach = int(5 * SIGMA)
    kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * SIGMA**2))
    kernel /= kernel.sum()
    noise = rng.uniform(-1, 1, (count, side + 2 * reach, side + 2 * reach))
    for axis in (1, 2):
        noise = np.apply_along_axis(np.convolve, axis, noise, kernel, mode="valid")
    return ALPHA * noise


def covariances(fields: Array) -> Array:
    """Return covariances at several distances, along the rows, the columns and the diagonal."""
    pairs = [(fields[:, : -d or None, : -e or None], fields[:, d:, e:]) for d in (0, 2, 5) for e in (0, 2, 5)]
    return np.array([(a * b).mean() for a, b in pairs])


def test_the_fields_have_the_covariances_of_simards_smoothed_noise(rng: np.random.Generator) -> None:
    fields = ElasticFields((20, 20), ALPHA, SIGMA, np.dtype("float64")).draw(4000, rng)
    expected = covariances(smoothed_noise(1000, 20, rng))
    np.testing.assert_allclose(covariances(fields), expected, rtol=0.06)
    assert abs(fields.mean()) < 0.02


def test_every_pixel_has_the_same_variance_of_displacement(rng: np.random.Generator) -> None:
    fields = ElasticFields((12, 28), ALPHA, SIGMA, np.dtype("float32")).draw(4000, rng)
    assert fields.shape == (4000, 12, 28)
    assert fields.dtype == np.float32
    np.testing.assert_allclose(fields.std(axis=0), ALPHA / (SIGMA * np.sqrt(12 * np.pi)), rtol=0.08)


@pytest.mark.parametrize("sigma", [0.3, 40.0])
def test_extreme_smoothness_keeps_the_standard_deviation_of_the_fields(sigma: float, rng: np.random.Generator) -> None:
    fields = ElasticFields((9, 7), 10.0, sigma, np.dtype("float64")).draw(2000, rng)
    assert fields.std() == pytest.approx(10 / (sigma * np.sqrt(12 * np.pi)), rel=0.05)
