"""The rule that chooses the height and width of a data set's images if the upload does not set them.

Images of one size with no side above `LARGEST` keep it. Otherwise the shape is a square. Its side is the median of the
images' shorter sides, rounded down to a multiple of 4, so that pooling by 2 divides it twice, and at most `LARGEST`.
The limit is lower for few images, which do not suffice to learn from fine detail, and for many, which take long to
train on. docs/data/images.md has the rule and measurements.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LARGEST = 64
SMALLEST = 8
MULTIPLE = 4
LIMITS = ((200, 32), (2_000, 64), (10_000, 48))  # with fewer images than the first number, the second is the limit
LIMIT_OF_MORE = 32

Sizes = NDArray[np.int32]


def choose_shape(sizes: Sizes) -> tuple[tuple[int, int], str]:
    """Return the height and width for images of these sizes (n, 2), and the reason as the rest of a sentence."""
    height, width = map(int, sizes[0])
    if max(height, width) <= LARGEST and (sizes == sizes[0]).all():
        return (height, width), "the size of all images"
    median = int(np.median(sizes.min(axis=1)))
    limit = limit_for(len(sizes))
    side = max(min(median, limit) // MULTIPLE * MULTIPLE, SMALLEST)
    return (side, side), (
        f"chosen for {len(sizes):,} images of {_described(sizes)}: the median of their shorter sides is {median}"
        f" pixels, and the limit for this number of images is {limit}; image_shape sets another shape"
    )


def limit_for(count: int) -> int:
    """Return the largest side that the rule chooses for this number of images."""
    return next((limit for fewer_than, limit in LIMITS if count < fewer_than), LIMIT_OF_MORE)


def _described(sizes: Sizes) -> str:
    smallest, largest = sizes.min(axis=0), sizes.max(axis=0)
    if (smallest == largest).all():
        return f"{largest[0]} × {largest[1]} pixels"
    return f"{smallest[0]} × {smallest[1]} to {largest[0]} × {largest[1]} pixels"
