"""Elastic deformations: smooth random fields of displacements, after Simard, Steinkraus and Platt 2003, section 2.

They smooth white noise, uniform in [-1, 1], with a Gaussian of standard deviation σ, and multiply it by α. Sums of
that many draws are all but normally distributed, with covariance α² / (12 π σ²) · e^(-d² / 4σ²) between pixels at
distance d; a field of that distribution is drawn here directly. Along each axis the covariance has few eigenvectors of
any weight, so a few dozen numbers make a field, where noise and its smoothing would take a thousand.
"""

from __future__ import annotations

import math

import numpy as np

from shared.network.arrays import Array

KEPT = 0.999
"""The share of the variance along each axis that the kept eigenvectors must reach."""


class ElasticFields:
    """Draws fields over images of this shape (H, W), in pixels, for the given α and σ."""

    def __init__(self, shape: tuple[int, int], alpha: float, sigma: float, dtype: np.dtype[np.floating]) -> None:
        amplitude = alpha / (sigma * math.sqrt(12 * math.pi))
        self._rows = (amplitude * _basis(shape[0], sigma)).astype(dtype)  # (H, r)
        self._columns = np.ascontiguousarray(_basis(shape[1], sigma).T).astype(dtype)  # (s, W)
        self._dtype = dtype

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Give `count` independent fields: (count, H, W)."""
        r, s = self._rows.shape[1], self._columns.shape[0]
        weights = rng.standard_normal((count, r, s), dtype=self._dtype)
        fields: Array = np.matmul(self._rows, np.matmul(weights, self._columns))  # (H, r) @ ((count, r, s) @ (s, W))
        return fields


def _basis(side: int, sigma: float) -> Array:
    """Give B (side, r) with B Bᵀ ≈ e^(-d² / 4σ²) for pixels at distance d, but for a share 1 - KEPT of the variance."""
    places = np.arange(side)
    values, vectors = np.linalg.eigh(np.exp(-np.square(np.subtract.outer(places, places) / sigma) / 4))
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]  # the largest first
    r = int(np.searchsorted(np.cumsum(values), KEPT * values.sum())) + 1
    basis: Array = vectors[:, :r] * np.sqrt(values[:r])
    return basis
