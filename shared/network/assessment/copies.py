"""Test images that are copies of training images, which make the test accuracy too high."""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from shared.network.layers.checks import Check, no_check

Bytes = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.intp]
Numbers = npt.NDArray[np.float32]

TESTED, SEARCHED = 1000, 50_000
"""The largest numbers of test and training images that are compared for near copies: 50 million pairs, about 0.3 s."""

GRID = 8
"""The side of the thumbnails. The best candidate for each image is found with them, then compared pixel by pixel."""

SIMILAR = 0.99
"""The least correlation of the pixels of a near copy. A picture that was encoded again as JPEG has 0.995 or more. Of
1,000 test images of MNIST, of which none is a copy, one has more than 0.985."""

SAME_COLOUR = 32
"""The largest difference of the mean of each channel, of 255: the same drawing in another colour is not a copy."""

CONTRAST = 4
"""The least standard deviation of the pixels, of 255: two plain surfaces are alike without being copies."""

DIGESTS = 256  # images between two checks
REDUCED = 2**23  # bytes of images that are reduced to thumbnails at a time
BLOCK = 128  # test images whose correlations with all training images are in memory


@dataclass(frozen=True)
class Copies:
    """The numbers of copies: `exact` of all `test` images, `near` of the `compared` ones among the others."""

    test: int
    exact: int
    near: int
    compared: int

    @property
    def share(self) -> float:
        """The estimated share of test images that are copies."""
        rest = self.near / self.compared if self.compared else 0.0
        return (self.exact + rest * (self.test - self.exact)) / self.test


def copies(train: Bytes, test: Bytes, check: Check = no_check) -> Copies:
    """Count the test images (M, H, W) or (M, H, W, 3) that equal one of the training images (N, …), or nearly do.

    check: called for each block of images.
    """
    is_exact = np.isin(_digests(test, check), _digests(train, check))
    others = _spread(np.flatnonzero(~is_exact), TESTED)
    searched = _spread(np.arange(len(train)), SEARCHED)
    return Copies(len(test), int(is_exact.sum()), _near_copies(train, searched, test, others, check), len(others))


def _digests(images: Bytes, check: Check) -> npt.NDArray[np.uint64]:
    """Return a digest of each image: (N,), 8 bytes each, so that millions of images take little memory."""
    digests = np.empty(len(images), np.uint64)
    for number, image in enumerate(images):
        digests[number] = int.from_bytes(blake2b(image.tobytes(), digest_size=8).digest(), "little")
        if number % DIGESTS == 0:
            check()
    return digests


def _spread(indices: Indices, count: int) -> Indices:
    """Return at most `count` of the indices, evenly spread."""
    count = min(count, len(indices))
    return indices[np.arange(count) * len(indices) // max(count, 1)]


def _near_copies(train: Bytes, searched: Indices, test: Bytes, tested: Indices, check: Check) -> int:
    """Return how many of the `tested` images have a near copy among the `searched` training images."""
    if not len(tested) or not len(searched):
        return 0
    library = _thumbnails(train, searched, check)
    wanted = _thumbnails(test, tested, check)
    found = 0
    for start in range(0, len(tested), BLOCK):
        best = (wanted[start : start + BLOCK] @ library.T).argmax(axis=1)  # (block, N)
        for image, candidate in zip(tested[start : start + BLOCK], searched[best], strict=True):
            found += _is_near(test[image], train[candidate])
        check()
    return found


def _thumbnails(images: Bytes, indices: Indices, check: Check) -> Numbers:
    """Return the normalized thumbnails of images: (N, GRID·GRID·channels), of mean 0 per channel and length 1."""
    height, width = images.shape[1:3]
    images = images.reshape(len(images), height, width, -1)
    rows, columns = (np.arange(min(GRID, side)) * side // min(GRID, side) for side in (height, width))
    areas = np.outer(np.diff([*rows, height]), np.diff([*columns, width])).astype(np.float32)
    found = []
    step = max(1, min(1024, REDUCED // math.prod(images.shape[1:])))
    for start in range(0, len(indices), step):
        block = images[indices[start : start + step]]
        sums = np.add.reduceat(np.add.reduceat(block, rows, axis=1, dtype=np.float32), columns, axis=2)
        sums /= areas[:, :, np.newaxis]
        sums -= sums.mean(axis=(1, 2), keepdims=True)
        flat = sums.reshape(len(block), -1)
        flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
        found.append(flat)
        check()
    return np.concatenate(found)


def _is_near(image: Bytes, other: Bytes) -> bool:
    a, b = (each.reshape(-1, each.shape[2] if each.ndim == 3 else 1).astype(np.float32) for each in (image, other))
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    a -= mean_a
    b -= mean_b
    if min(a.std(), b.std()) < CONTRAST or np.abs(mean_a - mean_b).max() > SAME_COLOUR:
        return False
    return bool((a * b).sum() >= SIMILAR * np.sqrt((a * a).sum() * (b * b).sum()))
