"""Inversion of light and dark, by comparison of an image's border with the borders of a model's training images.

A network trained on light digits on a dark ground does not recognise dark digits on a light ground, and its confidence
does not show it. The training measures its images (`measured`); `invert` compares images with these figures. The result
for an image depends on the image and on the figures alone, not on the other images.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

SAMPLE = 4096  # images that are measured, at most
BLOCK = 2**24  # bytes of images that are measured at a time
LUMA = np.array([299, 587, 114])  # ITU-R BT.601, in thousandths
CLEAR = 2 / 3  # of a border are dark pixels (0 to 127) in a dark border, bright ones (128 to 255) in a bright one
DARK = 85  # the mean gray level of all borders is at most this if the training images' borders are dark
MOST = 0.9  # of the training images must have the same kind of border, and
FEW = 0.005  # at most the opposite kind; otherwise the network was trained on both

Ground = Literal["dark", "bright", "mixed"]


class Brightness(BaseModel):
    """The gray levels of training images, from 0 to 255: of whole images, and of their borders, one pixel wide.

    `images` is the number of images measured. `border_deviation` is the standard deviation of the borders' means;
    `dark_borders` and `bright_borders` are the shares of images with such a border.
    """

    model_config = ConfigDict(frozen=True)

    images: int
    mean: float
    border_mean: float
    border_deviation: float
    dark_borders: float
    bright_borders: float

    @property
    def ground(self) -> Ground:
        """Whether the training images have dark or bright borders; `mixed` if this is not clear."""
        if self.border_mean <= DARK and self.dark_borders >= MOST and self.bright_borders <= FEW:
            return "dark"
        if self.border_mean >= 255 - DARK and self.bright_borders >= MOST and self.dark_borders <= FEW:
            return "bright"
        return "mixed"


def measured(images: NDArray[np.uint8], check: Callable[[], None] = lambda: None) -> Brightness:
    """Measure training images (N, H, W) or (N, H, W, 3): all, or `SAMPLE` of them at equal distances.

    check: called before each block of images.
    """
    chosen = np.linspace(0, len(images) - 1, min(len(images), SAMPLE)).round().astype(np.intp)
    step = max(1, BLOCK // images[0].size)
    blocks = []
    for start in range(0, len(chosen), step):
        check()
        blocks.append(_levels(images[chosen[start : start + step]]))
    means, bright_share, wholes = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return Brightness(
        images=len(chosen),
        mean=round(float(wholes.mean()), 2),
        border_mean=round(float(means.mean()), 2),
        border_deviation=round(float(means.std()), 2),
        dark_borders=round(float((bright_share <= 1 - CLEAR).mean()), 4),
        bright_borders=round(float((bright_share >= CLEAR).mean()), 4),
    )


def _levels(images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], ...]:
    """Return of each image the mean gray level of its border, the share of bright pixels there, and its own mean."""
    borders = _border(images)
    means = borders.mean(axis=1) / _white(images) * 255
    wholes = _sums(images) / (_white(images) * images.shape[1] * images.shape[2]) * 255
    return means, _bright_share(borders, images), wholes


def look_inverted(images: NDArray[np.uint8], training: Brightness) -> NDArray[np.bool_]:
    """Return which images (n, H, W) or (n, H, W, 3) clearly have light and dark exchanged against the training images.

    For training images with dark borders, such an image has a bright border, and is as a whole not brighter than the
    border's median. For bright borders, the reverse holds. For mixed ones, no image looks inverted.
    """
    ground = training.ground
    found = np.zeros(len(images), np.bool_)
    if ground == "mixed" or not len(images):
        return found
    borders = _border(images)
    bright_share = _bright_share(borders, images)
    found[:] = bright_share >= CLEAR if ground == "dark" else bright_share <= 1 - CLEAR
    if found.any():
        at = np.flatnonzero(found)
        level = np.partition(borders[at], borders.shape[1] // 2, axis=1)[:, borders.shape[1] // 2].astype(np.int64)
        level *= images.shape[1] * images.shape[2]
        whole = _sums(images[at])
        found[at] = whole <= level if ground == "dark" else whole >= level
    return found


def invert(images: NDArray[np.uint8], mode: str, training: Brightness | None = None) -> int:
    """Invert images (n, H, W) or (n, H, W, 3) in place: `always`, `never`, or `auto`.

    `auto` inverts those that look inverted against the training images. Without figures of the training images, as for
    versions of older releases, it inverts those with a bright border: the mean of its gray levels is above 127.
    Returns how many look inverted against the training images, 0 without figures.
    """
    if not len(images):
        return 0
    found = look_inverted(images, training) if training else None
    if mode == "always":
        np.subtract(255, images, out=images)
    elif mode == "auto":
        chosen = _have_bright_means(images) if found is None else found
        images[chosen] ^= 255
    return 0 if found is None else int(found.sum())


def count_inverted(images: NDArray[np.uint8], training: Brightness, check: Callable[[], None]) -> int:
    """Return how many of many images look inverted, as `look_inverted` decides. check: called for each block."""
    count = 0
    step = max(1, BLOCK // math.prod(images.shape[1:]))
    for start in range(0, len(images), step):
        check()
        count += int(np.count_nonzero(look_inverted(images[start : start + step], training)))
    return count


def inverted_warning(count: int, images: int, model: str) -> str:
    """Return the warning that `count` of the images look inverted, and were not inverted."""
    return (
        f"{count} of {images} images look inverted against the training images of {model}: light and dark are"
        " exchanged. Their predictions are probably wrong. Classify them with invert=auto"
    )


def _have_bright_means(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    borders = _border(images)
    bright: NDArray[np.bool_] = borders.sum(axis=1, dtype=np.int64) * 255 > 127 * _white(images) * borders.shape[1]
    return bright


def _border(images: NDArray[np.uint8]) -> NDArray[np.integer]:
    """Return the border's gray levels (n, pixels), of which the largest is `_white`."""
    border = np.concatenate([images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]], axis=1)
    return border @ LUMA if border.ndim > 2 else border


def _white(images: NDArray[np.uint8]) -> int:
    """Return the value of white in gray levels: in colour they are thousandths."""
    return 255_000 if images.ndim > 3 else 255


def _bright_share(borders: NDArray[np.integer], images: NDArray[np.uint8]) -> NDArray[np.float64]:
    share: NDArray[np.float64] = (borders > _white(images) // 2).mean(axis=1)
    return share


def _sums(images: NDArray[np.uint8]) -> NDArray[np.integer]:
    """Return the sum of each image's gray levels."""
    sums: NDArray[np.integer] = images.sum(axis=(1, 2), dtype=np.int64)
    return sums @ LUMA if images.ndim > 3 else sums
