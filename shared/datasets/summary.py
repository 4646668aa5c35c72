"""The summary of a data set: its mean images, and its exact duplicates within and between splits and classes.

It follows from the content alone, so it is computed once and kept beside the manifest, in the data set's folder, which
is deleted, saved and restored as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from shared.datasets.content import Images, Labels
from shared.datasets.duplicates import Fingerprints, fingerprints_of
from shared.images.area import area_resize
from shared.images.shapes import Shape
from shared.images.thumbnails import LARGEST, data_uri

FORMAT = 1
BLOCK_BYTES = 4 * 1024 * 1024  # of the images that are in memory at once
MANY_CLASSES = 100
MOST_GROUPS = 50
MOST_COPIES = 20

Splits = Mapping[str, tuple[Images, Labels]]


class Copy(BaseModel):
    """One of several equal images: its split, its index in the split, and the index of its class."""

    model_config = ConfigDict(frozen=True)

    split: str
    index: int
    label: int


class Group(BaseModel):
    """Equal images: their number, and the first of them."""

    model_config = ConfigDict(frozen=True)

    count: int
    copies: tuple[Copy, ...]


class Groups(BaseModel):
    """Groups of equal images: their number, the number of images in them, and the first groups."""

    model_config = ConfigDict(frozen=True)

    groups: int
    images: int
    first: tuple[Group, ...]


class Summary(BaseModel):
    """What the content of a data set shows.

    mean_images: the mean image of each class over all splits as a PNG in a data URI, None for a class without images.
    within_splits: groups with several images in one split. between_splits: groups with images in several splits.
    different_labels: groups with images of several classes. A group can be of several kinds.
    """

    model_config = ConfigDict(frozen=True)

    format: int
    mean_images: tuple[str | None, ...]
    within_splits: Groups
    between_splits: Groups
    different_labels: Groups


def summarize(splits: Splits, classes: int, image_shape: Shape) -> Summary:
    """Compute the summary of a data set with this number of classes, in one pass over its images."""
    shape = mean_shape(image_shape, classes)
    sums = np.zeros((classes, *shape), np.uint64)
    counts = np.zeros(classes, np.int64)
    prints = []
    step = max(1, BLOCK_BYTES // int(np.prod(image_shape)))
    for images, labels in splits.values():
        counts += np.bincount(labels, minlength=classes)
        for start in range(0, len(labels), step):
            block = np.asarray(images[start : start + step])
            prints.append(fingerprints_of(block))
            add_to(sums, block if image_shape == shape else area_resize(block, shape), labels[start : start + step])
    return Summary(
        format=FORMAT,
        mean_images=tuple(
            data_uri((total / count + 0.5).astype(np.uint8)) if count else None
            for total, count in zip(sums, counts.tolist(), strict=True)
        ),
        **_groups(np.concatenate(prints), splits),
    )


def mean_shape(image_shape: Shape, classes: int) -> tuple[int, ...]:
    """Return the shape of the mean images: that of the images, or a smaller one, so that all of them take few MB."""
    height, width, *channels = image_shape
    shrink = max(1.0, max(height, width) / (LARGEST if classes <= MANY_CLASSES else LARGEST // 2))
    return max(1, round(height / shrink)), max(1, round(width / shrink)), *channels


def add_to(sums: NDArray[np.uint64], images: Images, labels: Labels) -> None:
    """Add images (n, ...) to the sums (classes, ...) of their classes."""
    order = np.argsort(labels, kind="stable")
    present, starts = np.unique(labels[order], return_index=True)
    sums[present] += np.add.reduceat(images[order], starts, axis=0, dtype=np.uint32)


def _groups(prints: Fingerprints, splits: Splits) -> dict[str, Groups]:
    """Find the groups of equal images by their fingerprints (N,), in the order of the splits."""
    names = list(splits)
    sizes = [len(labels) for _, labels in splits.values()]
    _, inverse, counts = np.unique(prints, return_inverse=True, return_counts=True)
    members = np.flatnonzero(counts[inverse] > 1)  # the images that have a copy
    _, first, group = np.unique(inverse[members], return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))  # the groups in the order of their first images
    group = order[group]
    split = np.repeat(np.arange(len(names)), sizes)[members]
    index = np.concatenate([np.arange(size) for size in sizes])[members]
    label = np.concatenate([labels for _, labels in splits.values()])[members]
    count = len(first)

    def of_kind(chosen: NDArray[np.intp]) -> Groups:
        """Return the groups with these numbers, ascending."""
        is_chosen = np.zeros(count, np.bool_)
        is_chosen[chosen] = True
        return Groups(
            groups=len(chosen),
            images=int(is_chosen[group].sum()),
            first=tuple(shown(np.flatnonzero(group == number)) for number in chosen[:MOST_GROUPS].tolist()),
        )

    def shown(positions: NDArray[np.intp]) -> Group:
        copies = tuple(
            Copy(split=names[split[at]], index=int(index[at]), label=int(label[at])) for at in positions[:MOST_COPIES]
        )
        return Group(count=len(positions), copies=copies)

    in_a_split, repeats = np.unique(group * len(names) + split, return_counts=True)
    return {
        "within_splits": of_kind(np.unique(in_a_split[repeats > 1] // len(names))),
        "between_splits": of_kind(_with_several(group, split, count)),
        "different_labels": of_kind(_with_several(group, label, count)),
    }


def _with_several(group: NDArray[np.intp], values: NDArray[np.integer], count: int) -> NDArray[np.intp]:
    """Return the groups, of `count`, whose members have several values."""
    low, high = np.full(count, np.iinfo(np.int64).max), np.full(count, -1)
    np.minimum.at(low, group, values)
    np.maximum.at(high, group, values)
    return np.flatnonzero(low != high)
