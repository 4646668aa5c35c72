"""Colour jitter: random brightness, contrast, saturation and hue of each image, as one affine map of its colours."""

from __future__ import annotations

import math

import numpy as np

from shared.network.arrays import Array, Images
from shared.network.augmentation.ranges import Augmentation

LUMA = np.array([0.299, 0.587, 0.114])
"""The shares of red, green and blue in the luma Y (ITU-R BT.601)."""

YUV = np.array([LUMA, 0.492 * (np.array([0, 0, 1]) - LUMA), 0.877 * (np.array([1, 0, 0]) - LUMA)])
"""The luma and the colour differences U = 0.492 (B - Y) and V = 0.877 (R - Y) of a colour (R, G, B)."""

GRAY = np.outer(np.ones(3), LUMA)
"""The matrix that replaces each channel by the luma."""

QUARTER_TURN = np.linalg.inv(YUV) @ [[0, 0, 0], [0, 0, -1], [0, 1, 0]] @ YUV
"""The matrix that removes the luma and turns (U, V) by 90°."""


class ColorJitter:
    """Changes the colours of images (n, H, W) or (n, H, W, 3), and scales them to numbers from 0 to 1.

    With random factors b, c, s and a random angle h of each image, and the mean m of its luma, a colour x becomes

        b (c x' + (1 - c) m),   x' = (GRAY + s cos(h) (I - GRAY) + s sin(h) QUARTER_TURN) x,

    clipped to the range of the images. b is the brightness, c the contrast and s the saturation, as torchvision's
    `ColorJitter` defines them; s and h scale and turn the colour differences (U, V) and keep the luma.
    """

    def __init__(self, shape: tuple[int, ...], augmentation: Augmentation, dtype: np.dtype[np.floating]) -> None:
        self._ranges = augmentation
        self._dtype = dtype
        self._color = len(shape) == 3

    def draw(self, count: int, rng: np.random.Generator) -> Array | None:
        """Return the factors b, c, s and the angle h in radians of each image, (4, count), or None if all are off."""
        ranges = self._ranges
        if not (ranges.brightness or ranges.contrast or ranges.saturation or ranges.hue):
            return None
        changes = np.ones((4, count))
        changes[3] = 0
        largest = (ranges.brightness, ranges.contrast, ranges.saturation, math.tau * ranges.hue)
        for row, limit in enumerate(largest):
            if limit:
                changes[row] += limit * rng.uniform(-1, 1, count)
        return changes

    def run(self, images: Images, factor: float, changes: Array | None, out: Array) -> None:
        """Write the changed images times `factor` into out, of the images' shape, which can be strided."""
        if changes is None:
            self._scale(images, factor, out)
        elif self._color:
            self._change_colors(images, factor, changes, out)
        else:
            self._change_grays(images, factor, changes, out)

    def _scale(self, images: Images, factor: float, out: Array) -> None:
        if not self._color:
            np.multiply(images, self._dtype.type(factor), out=out)
            return
        X = images.astype(self._dtype)
        for channel in range(X.shape[-1]):  # inner loops over rows of pixels, not over three channels
            np.multiply(X[..., channel], self._dtype.type(factor), out=out[..., channel])

    def _change_grays(self, images: Images, factor: float, changes: Array, out: Array) -> None:
        n = len(images)
        gain, offset = self._gain_and_offset(images.astype(self._dtype).reshape(n, -1).mean(axis=1), factor, changes)
        np.multiply(images, gain.reshape(n, 1, 1), out=out)
        out += offset.reshape(n, 1, 1)
        np.clip(out, 0, _largest(images, factor), out=out)

    def _change_colors(self, images: Images, factor: float, changes: Array, out: Array) -> None:
        n, H, W, channels = images.shape
        X = images.astype(self._dtype)
        sums = X.reshape(n, H, W * channels).sum(axis=1).reshape(n, W, channels).sum(axis=1)
        gain, offset = self._gain_and_offset(sums @ LUMA / (H * W), factor, changes)
        s, h = changes[2:].reshape(2, n, 1, 1)
        M = GRAY + s * np.cos(h) * (np.eye(3) - GRAY) + s * np.sin(h) * QUARTER_TURN  # (n, 3, 3)
        M = (gain.reshape(n, 1, 1) * M).astype(self._dtype)
        planes = np.matmul(M, X.reshape(n, H * W, channels).swapaxes(1, 2))  # (n, 3, 3) @ (n, 3, H·W)
        planes += offset.reshape(n, 1, 1)
        np.clip(planes, 0, _largest(images, factor), out=planes)
        for channel in range(channels):
            out[..., channel] = planes[:, channel].reshape(n, H, W)

    def _gain_and_offset(self, means: Array, factor: float, changes: Array) -> tuple[Array, Array]:
        """Return b c and b (1 - c) m, times `factor`: both (n,)."""
        b, c = factor * changes[0], changes[1]
        return (b * c).astype(self._dtype), (b * (1 - c) * means).astype(self._dtype)


def _largest(images: Images, factor: float) -> float:
    """Return the upper end of the images' range after the product with `factor`."""
    return 255 * factor if images.dtype == np.uint8 else factor
