"""The layout of an archive of images: `train/<class>/…` and `test/<class>/…`, or `<class>/…` alone.

An enclosing folder, which file managers add, is ignored. The images are sorted by path, so that the same folders give
the same data set from any archive. There may be two million names, so the functions work on plain strings.
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
    """The entries of an archive in each part of the data set, and their labels."""

    classes: tuple[str, ...]
    train: Indices
    train_labels: Labels
    test: Indices
    test_labels: Labels


def lay_out(names: Sequence[str], max_classes: int, test_fraction: float, seed: int) -> Layout:
    """Derive the layout from the entries' names.

    Without the folders `train` and `test`, a stratified split by `test_fraction` and `seed` chooses the images for
    testing. Raises `Invalid`, with the name of an entry that does not fit.
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
                "dataset_classes", f"the class {shown(classes[missing[0]])} has images in test, but none in train"
            )
    else:
        in_test = stratified_test_mask(labels, test_fraction, seed)
        if not in_test.any():
            raise Invalid("dataset_layout", "no class has two images, so none can be set aside for testing")
    return Layout(classes, order[~in_test], labels[~in_test], order[in_test], labels[in_test])


def _classes(paths: Sequence[str], starts: Sequence[int], max_classes: int) -> tuple[tuple[str, ...], Labels]:
    """Return the classes, sorted, and each path's label (N,): the index of its folder after `starts`."""
    numbers: dict[str, int] = {}
    found = np.empty(len(paths), np.int64)
    for place, (path, start) in enumerate(zip(paths, starts, strict=True)):
        end = path.find("/", start)
        if end < 0:
            raise Invalid(
                "dataset_layout",
                f"{shown(path)} is not in a class folder: the archive must hold train/<class>/… and test/<class>/…, or"
                " <class>/… alone, and nothing else",
            )
        found[place] = numbers.setdefault(path[start:end], len(numbers))
    if not 2 <= len(numbers) <= max_classes:
        raise Invalid(
            "dataset_classes", f"the archive has {len(numbers)} class folders; 2 to {max_classes} are allowed"
        )
    classes = tuple(sorted(numbers))
    place_of = np.empty(len(classes), np.int64)
    for label, name in enumerate(classes):
        place_of[numbers[name]] = label
    return classes, place_of[found]


def _plain(name: str) -> str:
    """Return the name without empty and `.` parts: `./a//b` becomes `a/b`. Most names have no such parts."""
    if not name.startswith("./") and "//" not in name and "/./" not in name:
        return name
    return "/".join(part for part in name.split("/") if part not in {"", "."})


def _length_of_common_folders(paths: Sequence[str]) -> int:
    """Return the length of the folders that enclose all paths; `train` is part of the layout and is not counted."""
    start = 0
    while True:
        end = paths[0].find("/", start) + 1
        folder = paths[0][start:end]
        if folder in {"", TRAIN} or not all(path.startswith(folder, start) for path in paths):
            return start
        if all(path.find("/", end) < 0 for path in paths):  # the folder of the only class
            return start
        start = end
