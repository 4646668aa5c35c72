"""Exact duplicates: images of a data set whose pixels are the same, found by a fingerprint of each image."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from shared.datasets.content import Images, Labels, stratified_test_mask
from shared.datasets.manifest import Duplicates

Fingerprints = NDArray[np.uint64]  # (N,), equal for equal images
BYTES = 8


def fingerprints_of(images: Images) -> Fingerprints:
    """Return the fingerprints (N,) of images (N, H, W) or (N, H, W, 3): 64 bits of BLAKE2b of the pixels."""
    rows = np.ascontiguousarray(images).reshape(len(images), -1)
    return np.frombuffer(b"".join(blake2b(row.data, digest_size=BYTES).digest() for row in rows), np.uint64)


def count_duplicates(prints: Mapping[str, Fingerprints], labels: Mapping[str, Labels]) -> Duplicates:
    """Count the duplicates in a data set, by its parts `train`, `test` and, if it has them, `validation`."""
    together = np.concatenate(list(prints.values()))
    _, groups = np.unique(together, return_inverse=True)
    count = int(groups.max()) + 1
    low, high = np.full(count, np.iinfo(np.int64).max), np.full(count, -1)
    all_labels = np.concatenate([labels[part] for part in prints])
    np.minimum.at(low, groups, all_labels)
    np.maximum.at(high, groups, all_labels)
    none = np.empty(0, np.uint64)

    def shared(part: str, other: str) -> int:
        """Return how many images of a part are in the other, too."""
        return int(np.isin(prints.get(part, none), prints.get(other, none)).sum())

    return Duplicates(
        images=len(together) - count,
        test_in_train=shared("test", "train"),
        validation_in_train=shared("validation", "train"),
        test_in_validation=shared("test", "validation"),
        in_several_classes=int((low != high)[groups].sum()),
    )


def split_mask(labels: Labels, fraction: float, seed: int, prints: Fingerprints | None = None) -> NDArray[np.bool_]:
    """Choose about `fraction` of each class for testing, at random; returns a mask (N,) that is true for these samples.

    prints: fingerprints (N,), if all copies of an image must be on one side. They are not if no class has two different
    images, as no image would be left for testing.
    """
    mask = None if prints is None else distinct_test_mask(labels, prints, fraction, seed)
    return stratified_test_mask(labels, fraction, seed) if mask is None or not mask.any() else mask


def distinct_test_mask(labels: Labels, prints: Fingerprints, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Choose about `fraction` of each class for testing, at random, with all copies of an image on one side.

    An image with copies in several classes counts as one of the class of the first copy. A class of two or more
    distinct images has at least one for testing. Returns a mask (N,) that is true for each sample for testing.
    """
    rng = np.random.default_rng(seed)
    _, first, groups, sizes = np.unique(prints, return_index=True, return_inverse=True, return_counts=True)
    chosen = np.zeros(len(first), np.bool_)
    for label in np.unique(labels):
        members = np.flatnonzero(labels[first] == label)  # the groups of this class
        if len(members) < 2:
            continue
        members = members[np.argsort(first[members])]  # an order that the hash does not decide
        left = max(round(int(sizes[members].sum()) * fraction), 1)
        for group in rng.permutation(members)[:-1]:
            if sizes[group] <= left:
                chosen[group] = True
                left -= int(sizes[group])
        if not chosen[members].any():
            chosen[members[np.argmin(sizes[members])]] = True
    return chosen[groups]


def divided_copies(prints: Mapping[str, Fingerprints], test: NDArray[np.bool_]) -> Fingerprints | None:
    """Return the fingerprints (N,) in the order of the mask `test` (N,); None if no image is on both of its sides."""
    if not np.isin(prints["test"], prints["train"]).any():
        return None
    together = np.empty(len(test), np.uint64)
    together[~test], together[test] = prints["train"], prints["test"]
    return together
