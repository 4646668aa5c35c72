"""The augmenter: shifts, rotates, scales, shears and deforms each image of a batch by independent random amounts."""

from __future__ import annotations

import math

import numpy as np

from shared.network.arrays import Array, Images
from shared.network.augmentation.ranges import Augmentation
from shared.network.augmentation.sampling import Sampler

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


class Augmenter:
    """Distorts images (n, H, W) within the augmentation's ranges; pixels from outside an image are 0.

    Each pixel of the result is sampled at mapped coordinates: an affine map around the middle, plus the elastic field.
    """

    def __init__(self, shape: tuple[int, int], augmentation: Augmentation, dtype: np.dtype[np.floating]) -> None:
        H, W = shape
        self._augmentation = augmentation
        self._sampler = Sampler(shape, dtype)
        self._elastic = None
        if augmentation.elastic:
            self._elastic = ElasticFields(shape, augmentation.elastic, augmentation.smoothness, dtype)
        self._rows = (np.arange(H) - (H - 1) / 2).astype(dtype).reshape(1, H, 1)
        self._columns = (np.arange(W) - (W - 1) / 2).astype(dtype).reshape(1, 1, W)

    def run(self, images: Images, factor: float, rng: np.random.Generator, out: Array) -> None:
        """Write the distorted images times `factor` into out (n, H, W)."""
        maps = self._affine(len(images), rng).astype(out.dtype)
        for start in range(0, len(images), self._sampler.block):
            block = slice(start, start + self._sampler.block)
            y, x = self._coordinates(maps[:, :, block], rng)
            self._sampler.run(images[block], y, x, factor, out[block])

    def _affine(self, count: int, rng: np.random.Generator) -> Array:
        """Draw maps [[a, b, s], [c, d, t]] (2, 3, count): pixel (u, v) samples (a u + b v + s, c u + d v + t).

        The matrix is rotation · shear · stretch, and the last column is the shift. u is the row and v the column of a
        pixel, counted from the middle.
        """
        ranges = self._augmentation
        down, right, turn, tall, wide, slant = rng.uniform(-1, 1, (6, count))
        angle = turn * math.radians(ranges.rotation)
        cos, sin = np.cos(angle), np.sin(angle)
        # Sampling at 1/f times the distance makes the image f times as large.
        height, width = 1 / (1 + ranges.scale * tall), 1 / (1 + ranges.scale * wide)
        slope = ranges.shear * slant
        return np.array(
            [
                [(cos - sin * slope) * height, -sin * width, ranges.shift * down],
                [(sin + cos * slope) * height, cos * width, ranges.shift * right],
            ]
        )

    def _coordinates(self, maps: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return the coordinates that each pixel of a block of images samples: rows and columns, both (n, H, W)."""
        fields = []
        for (a, b, s), middle in zip(maps, (-self._rows[0, 0, 0], -self._columns[0, 0, 0]), strict=True):
            down = a.reshape(-1, 1, 1) * self._rows + (s.reshape(-1, 1, 1) + middle)  # (n, H, 1)
            across = b.reshape(-1, 1, 1) * self._columns  # (n, 1, W)
            if self._elastic:
                field = self._elastic.draw(maps.shape[2], rng)
                field += down
                field += across
            else:
                field = down + across
            fields.append(field)
        return fields[0], fields[1]
