"""What an archive's folders say of its images: `train/<class>/…` and `test/<class>/…`, or `<class>/…` alone.

A folder around all of it, which archives made by a file manager have, is passed over. The images are put in the order
of their paths, so that the same folders give the same data set however they were packed. There may be two million
names, so they stay the texts that they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.archives.entries import shown
from shared.datasets.content import Labels, stratified_test_mask
from shared.errors import Invalid

TRAIN, TEST = "train/", "test/"

Indices = NDArray[np.int64]  # of entries in the archive, in the order of the data set


@dataclass(frozen=True)
class Layout:
    """Which entries of an archive make which part of the data set, and what each shows."""

    classes: tuple[str, ...]
    train: Indices
    train_labels: Labels
    test: Indices
    test_labels: Labels


def lay_out(names: Sequence[str], max_classes: int, test_fraction: float, seed: int) -> Layout:
    """Read the entries' names; without `train` and `test`, a stratified choice by `test_fraction` and `seed` splits.

    Raises `Invalid` with the name that does not fit.
    """
    paths = [_plain(name) for name in names]
    start = _length_of_common_folders(paths)
    order = np.array(sorted(range(len(paths)), key=paths.__getitem__))
    in_train = np.fromiter((paths[index].startswith(TRAIN, start) for index in order), np.bool_, len(order))
    in_test = np.fromiter((paths[index].startswith(TEST, start) for index in order), np.bool_, len(order))
    if (in_train | in_test).all() and in_train.any():
        starts = np.where(in_train, start + len(TRAIN), start + len(TEST))
    else:
        starts = np.full(len(order), start)
        in_test[:] = False
    classes, labels = _classes([paths[index] for index in order], starts.tolist(), max_classes)
    if in_test.any():
        missing = np.setdiff1d(np.arange(len(classes)), labels[~in_test])
        if missing.size:
            raise Invalid(
                "dataset_classes", f"the class {shown(classes[missing[0]])} has images in test, and none in train"
            )
    else:
        in_test = stratified_test_mask(labels, test_fraction, seed)
        if not in_test.any():
            raise Invalid("dataset_layout", "no class has two images, so none can be set aside for testing")
    return Layout(classes, order[~in_test], labels[~in_test], order[in_test], labels[in_test])


def _classes(paths: Sequence[str], starts: Sequence[int], max_classes: int) -> tuple[tuple[str, ...], Labels]:
    """The classes, sorted, and the number (N,) of each path's: its folder from `starts` on."""
    numbers: dict[str, int] = {}
    found = np.empty(len(paths), np.int64)
    for place, (path, start) in enumerate(zip(paths, starts, strict=True)):
        end = path.find("/", start)
        if end < 0:
            raise Invalid(
                "dataset_layout",
                f"{shown(path)} lies in no class's folder: the archive must hold train/<class>/… and test/<class>/…, or"
                " <class>/… alone, and nothing else",
            )
        found[place] = numbers.setdefault(path[start:end], len(numbers))
    if not 2 <= len(numbers) <= max_classes:
        raise Invalid("dataset_classes", f"the archive has {len(numbers)} class folders; 2 to {max_classes} are taken")
    classes = tuple(sorted(numbers))
    place_of = np.empty(len(classes), np.int64)
    for label, name in enumerate(classes):
        place_of[numbers[name]] = label
    return classes, place_of[found]


def _plain(name: str) -> str:
    """A name without what leads nowhere: `./a//b` is `a/b`. Nearly all are plain already."""
    if not name.startswith("./") and "//" not in name and "/./" not in name:
        return name
    return "/".join(part for part in name.split("/") if part not in {"", "."})


def _length_of_common_folders(paths: Sequence[str]) -> int:
    """How many characters the folders take that are around all of it; `train` says what its folders are, and stays."""
    start = 0
    while True:
        end = paths[0].find("/", start) + 1
        folder = paths[0][start:end]
        if folder in {"", TRAIN} or not all(path.startswith(folder, start) for path in paths):
            return start
        if all(path.find("/", end) < 0 for path in paths):  # the folder of a class, if there were another
            return start
        start = end
