"""The augmenter: moves, mirrors, deforms, recolours and partly hides each image of a batch by random amounts."""

from __future__ import annotations

import math

import numpy as np

from shared.network.arrays import Array, Images
from shared.network.augmentation.cutout import Cutout
from shared.network.augmentation.elastic import ElasticFields
from shared.network.augmentation.jitter import ColorJitter
from shared.network.augmentation.ranges import Augmentation
from shared.network.augmentation.sampling import Sampler


class Augmenter:
    """Distorts images (n, H, W) or (n, H, W, 3) within the augmentation's ranges.

    First the colours change. Then each pixel of the result is sampled at mapped coordinates, the same for all channels:
    a flip and an affine map around the middle, plus the elastic field. Last, cutout hides a square. An instance reuses
    its buffers, so two threads need an instance each.

    Raises ConfigurationError if the augmentation cannot apply to images of this shape.
    """

    def __init__(self, shape: tuple[int, ...], augmentation: Augmentation, dtype: np.dtype[np.floating]) -> None:
        augmentation.check(shape)
        H, W = shape[:2]
        self._augmentation = augmentation
        self._sampler = Sampler(shape, dtype, edge=augmentation.border == "edge")
        self._elastic = None
        if augmentation.elastic:
            self._elastic = ElasticFields((H, W), augmentation.elastic, augmentation.smoothness, dtype)
        self._jitter = ColorJitter(shape, augmentation, dtype)
        self._cutout = Cutout(shape, augmentation.cutout) if augmentation.cutout else None
        self._rows = (np.arange(H) - (H - 1) / 2).astype(dtype).reshape(1, H, 1)
        self._columns = (np.arange(W) - (W - 1) / 2).astype(dtype).reshape(1, 1, W)

    def run(self, images: Images, factor: float, rng: np.random.Generator, out: Array) -> None:
        """Write the distorted images times `factor` into out, of the images' shape.

        Colours are clipped to the range of the images, 0 to 255 for uint8 and 0 to 1 for floating point.
        """
        count = len(images)
        moves = self._augmentation.moves
        # A setting that is off draws no numbers, so that it does not change the effect of the others.
        maps = self._affine(count, rng).astype(out.dtype) if moves else None
        flips = rng.random(count) < 0.5 if self._augmentation.flip else np.zeros(count, bool)
        changes = self._jitter.draw(count, rng)
        squares = self._cutout.draw(count, rng) if self._cutout else None
        if maps is not None:
            maps[:, 1] *= np.where(flips, -1, 1).astype(out.dtype)  # column v of the result is column -v of the image
        for start in range(0, count, self._sampler.block):
            block = slice(start, start + self._sampler.block)
            target = out[block]
            source = target if maps is None else self._sampler.source(len(target))
            self._jitter.run(images[block], factor, None if changes is None else changes[:, block], source)
            if maps is not None:
                self._sampler.run(*self._coordinates(maps[:, :, block], rng), target)
            elif self._augmentation.flip:
                target[flips[block]] = target[flips[block], :, ::-1]
            if self._cutout and squares is not None:
                self._cutout.run(target, squares[block])

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
