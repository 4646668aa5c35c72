"""The range of images that are sent as numbers: gray levels from 0 to 255, or numbers from 0 (black) to 1 (white).

One range holds for all images of an array or a request, never for each image. docs/data/images.md has the rule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

WHITE = 255
TOLERANCE = 1e-3  # beyond 0 to 1, because interpolation and short floating-point types round
LEAST_LEVEL = 2  # the largest number of floats that are gray levels is at least this

ONLY_0_AND_1 = "the largest integer is 1, so it is not certain whether 1 is white (255) or almost black"
REMEDY = "multiply them by 255 if 1 is white"


class OutOfRange(ValueError):
    """Numbers that are in none of the ranges; the text continues a sentence whose subject is the numbers."""


class MixedRanges(OutOfRange):
    """Images that have another range than the others; `images` are their indices."""

    def __init__(self, reason: str, images: NDArray[np.intp]) -> None:
        super().__init__(reason)
        self.images = images


@dataclass(frozen=True)
class NumberRange:
    """The range of numbers: `factor` (1 or 255) times a number is its gray level.

    doubtful: the numbers are integers and the largest is 1; uploads are refused, and requests get a warning.
    """

    factor: int
    doubtful: bool = False


def number_range(kind: str, low: float, high: float) -> NumberRange:
    """Return the range of numbers of a kind of NumPy (b, u, i or f) from `low` to `high`. Raises `OutOfRange`.

    Floats range from 0 to 1, or from 0 to 255 if the largest is at least 2. Integers range from 0 to 255, but if the
    largest is 1, they are black and white, as booleans are.
    """
    if kind == "b":
        return NumberRange(WHITE)
    stated = f"range from {low:g} to {high:g}"
    if kind != "f":
        if not 0 <= low <= high <= WHITE:
            raise OutOfRange(f"{stated}: integers must range from 0 to 255")
        return NumberRange(WHITE, doubtful=True) if high == 1 else NumberRange(1)
    if math.isnan(low):
        raise OutOfRange("must not be NaN")
    if -TOLERANCE <= low <= high <= 1 + TOLERANCE:
        return NumberRange(WHITE)
    if 0 <= low <= high <= WHITE and high >= LEAST_LEVEL:
        return NumberRange(1)
    raise OutOfRange(f"{stated}: floats must range from 0 to 1, or from 0 to 255 with a number of at least 2")


def gray_levels(numbers: NDArray[Any], factor: int) -> NDArray[np.uint8]:
    """Return numbers of a valid range as gray levels, rounded."""
    if numbers.dtype.kind != "f":
        return numbers.astype(np.uint8) * np.uint8(factor)
    return np.rint(numbers.astype(np.float64) * factor).clip(0, WHITE).astype(np.uint8)


def almost_black(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which images (n, H, W) or (n, H, W, 3) have 1 of 255 as their largest gray level."""
    found: NDArray[np.bool_] = images.reshape(len(images), -1).max(axis=1, initial=0) == 1
    return found


def almost_black_warning(count: int, images: int) -> str:
    """Return the warning that `count` of the images are almost black."""
    return (
        f"{count:,} of {images:,} images have no gray level above 1 of 255, so they are almost black to a network. If 1"
        " is white, multiply their gray levels by 255"
    )


def range_of_request(rows: NDArray[Any], kind: str) -> tuple[NumberRange, str | None]:
    """Return the range of the images of a request, rows (N, pixels) of numbers of a kind, and a warning.

    Raises `OutOfRange`, or `MixedRanges` if gray levels to 255 and numbers from 0 to 1 are mixed.
    """
    highest = rows.max(axis=1)
    found = number_range(kind, rows.min(), highest.max())
    if found.doubtful:
        return found, f"the numbers are taken as black and white: {ONLY_0_AND_1}; {REMEDY}"
    if found.factor == WHITE:
        return found, None
    dark = np.flatnonzero((highest > 0) & (highest <= 1 + TOLERANCE))
    fractions = dark[(np.rint(rows[dark]) != rows[dark]).any(axis=1)]
    if fractions.size:
        reason = (
            f"range from 0 to {highest.max():g}, but those of image {fractions[0]} from 0 to 1: send all in one range"
        )
        raise MixedRanges(reason, fractions)
    if not dark.size:
        return found, None
    return found, (
        f"no number of image {dark[0]} is above 1, but those of the request range to {highest.max():g}, so it is almost"
        f" black ({dark.size} of {len(rows)} images); {REMEDY}"
    )
