"""What an archive's folders say of its images: `train/<class>/…` and `test/<class>/…`, or `<class>/…` alone.

A folder around all of it, which archives made by a file manager have, is passed over. The images are put in the order
of their paths, so that the same folders give the same data set however they were packed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.archives.names import shown
from shared.datasets.content import Labels, stratified_test_mask
from shared.errors import Invalid

PARTS = ("train", "test")

Indices = NDArray[np.intp]  # of entries in the archive, in the order of the data set
Path = tuple[str, ...]  # a name in its folders


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
    paths = _without_common_folders([_parts(name) for name in names])
    order = sorted(range(len(paths)), key=paths.__getitem__)
    tops = {path[0] for path in paths}
    if tops == set(PARTS):
        chosen = {part: [index for index in order if paths[index][0] == part] for part in PARTS}
        paths = [path[1:] for path in paths]
    elif tops == {PARTS[0]}:
        paths = [path[1:] for path in paths]
        chosen = {}
    else:
        chosen = {}
    for index in order:
        if len(paths[index]) < 2:
            raise Invalid(
                "dataset_layout",
                f"{shown(names[index])} lies in no class's folder: the archive must hold train/<class>/… and"
                " test/<class>/…, or <class>/… alone, and nothing else",
            )
    classes = _classes({path[0] for path in paths}, max_classes)
    number = {name: index for index, name in enumerate(classes)}

    def labels(indices: Sequence[int]) -> Labels:
        return np.array([number[paths[index][0]] for index in indices], np.int64)

    if chosen:
        train, test = chosen["train"], chosen["test"]
        _demand_training_images(classes, labels(train))
        return Layout(classes, np.array(train), labels(train), np.array(test), labels(test))
    everything, what = np.array(order), labels(order)
    mask = stratified_test_mask(what, test_fraction, seed)
    if not mask.any():
        raise Invalid("dataset_layout", "no class has two images, so none can be set aside for testing")
    return Layout(classes, everything[~mask], what[~mask], everything[mask], what[mask])


def _parts(name: str) -> Path:
    return tuple(part for part in name.split("/") if part not in {"", "."})


def _without_common_folders(paths: list[Path]) -> list[Path]:
    """Strip the folders that all paths begin with, but for one called `train`, which says what its folders are."""
    while True:
        first = paths[0][0]
        around_all = all(path[0] == first and len(path) > 1 for path in paths)
        if first == PARTS[0] or not around_all or max(map(len, paths)) <= 2:
            return paths
        paths = [path[1:] for path in paths]


def _classes(names: set[str], max_classes: int) -> tuple[str, ...]:
    if not 2 <= len(names) <= max_classes:
        raise Invalid("dataset_classes", f"the archive has {len(names)} class folders; 2 to {max_classes} are taken")
    return tuple(sorted(names))


def _demand_training_images(classes: tuple[str, ...], labels: Labels) -> None:
    missing = sorted(set(range(len(classes))) - set(labels.tolist()))
    if missing:
        raise Invalid(
            "dataset_classes", f"the class {shown(classes[missing[0]])} has images in test, and none in train"
        )
