"""Elastic deformations: smooth random displacement fields, after Simard, Steinkraus and Platt 2003."""

from __future__ import annotations

import math

import numpy as np

from shared.network.arrays import Array

KEPT = 0.999
"""The share of the variance along each axis that the kept eigenvectors must explain."""


class ElasticFields:
    """Random displacement fields over images of this shape (H, W), in pixels, for the given α and σ."""

    def __init__(self, shape: tuple[int, int], alpha: float, sigma: float, dtype: np.dtype[np.floating]) -> None:
        amplitude = alpha / (sigma * math.sqrt(12 * math.pi))
        self._rows = (amplitude * _basis(shape[0], sigma)).astype(dtype)  # (H, r)
        self._columns = np.ascontiguousarray(_basis(shape[1], sigma).T).astype(dtype)  # (s, W)
        self._dtype = dtype

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Return `count` independent fields: (count, H, W)."""
        r, s = self._rows.shape[1], self._columns.shape[0]
        weights = rng.standard_normal((count, r, s), dtype=self._dtype)
        fields: Array = np.matmul(self._rows, np.matmul(weights, self._columns))  # (H, r) @ ((count, r, s) @ (s, W))
        return fields


def _basis(side: int, sigma: float) -> Array:
    """Return B (side, r) with B Bᵀ ≈ e^(-d² / 4σ²) for pixels at distance d, up to a share 1 - KEPT of the variance."""
    positions = np.arange(side)
    values, vectors = np.linalg.eigh(np.exp(-np.square(np.subtract.outer(positions, positions) / sigma) / 4))
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]  # the largest first
    r = int(np.searchsorted(np.cumsum(values), KEPT * values.sum())) + 1
    basis: Array = vectors[:, :r] * np.sqrt(values[:r])
    return basis
