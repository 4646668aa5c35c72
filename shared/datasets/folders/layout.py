"""The layout of an archive of images: `train/<class>/…` and `test/<class>/…`, or `<class>/…` alone.

The folders of the splits have any of the names of `split_names`, in any capitalization. Folders around the layout,
which file managers add, are ignored. Images for validation stay apart. Without images for testing, the server sets
training images aside. The images are sorted by path, so that the same folders give the same data set from any archive.
There may be two million names, so the functions work on plain strings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, compress, starmap

import numpy as np
from numpy.typing import NDArray

from shared.archives.entries import shown
from shared.datasets.content import Labels, use_of_validation
from shared.datasets.duplicates import Fingerprints, split_mask
from shared.datasets.folders.split_checks import (
    EXPECTED,
    are_wrappers,
    doubts_about_classes,
    listed,
    part_at,
    refuse_bare,
    refuse_combined,
    refuse_incomplete,
    refuse_mixed,
    refuse_several_sets,
    repeats,
)
from shared.datasets.folders.split_names import Role, is_divided, roles_of
from shared.errors import Invalid

Indices = NDArray[np.int64]  # of entries in the archive, in the order of the data set


@dataclass(frozen=True)
class Layout:
    """The entries of an archive in each part of the data set, and their labels.

    made_split: the entries for testing were chosen by the server, among those for training. validation: is empty in
    most data sets; `use_of_validation` says then in a sentence what its images are used for. doubts: warnings about the
    folders, as sentences.
    """

    classes: tuple[str, ...]
    train: Indices
    train_labels: Labels
    test: Indices
    test_labels: Labels
    validation: Indices
    validation_labels: Labels
    made_split: bool
    use_of_validation: str | None = None
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Splits:
    """The splits of sorted paths (N,): the role of each path's split, and the offset of its class folder.

    folders: the names of the splits' folders, by role; empty if the paths have no splits. doubts: warnings, if the
    folders may not mean what the layout takes them for.
    """

    starts: list[int]
    roles: NDArray[np.object_]
    folders: dict[Role, list[str]]
    doubts: tuple[str, ...] = ()


def lay_out(
    names: Sequence[str],
    max_classes: int,
    test_fraction: float,
    seed: int,
    failed: NDArray[np.bool_] | None = None,
    copies: Fingerprints | None = None,
) -> Layout:
    """Derive the layout from the entries' names.

    Without images for testing, a stratified split by `test_fraction` and `seed` chooses them among those for training.
    failed: a mask (N,) of entries to leave out, whose class must have others. copies: fingerprints (N,), if that split
    must keep equal images on one side. If `test_fraction` is 0, the images are added to a data set: all are for
    training, one class is enough, and folders of splits are refused. Raises `Invalid`, with the name of an entry or a
    folder that does not fit.
    """
    paths = [_plain(name) for name in names]
    order = np.array(sorted(range(len(paths)), key=paths.__getitem__))
    paths = [paths[index] for index in order]
    splits = _splits(paths, _length_of_common_folders(paths))
    are_added = not test_fraction
    if are_added and splits.folders:
        raise Invalid(
            "dataset_layout",
            f"the archive has the folders {listed(sorted(chain(*splits.folders.values())))}, which are splits: send the"
            " images of one split, in <class>/…, and set split",
        )
    classes, labels = _classes(paths, splits, max_classes, least=1 if are_added else 2)
    if failed is not None and failed.any():
        kept = ~failed[order]
        _refuse_lost_classes(classes, labels, kept, paths)
        _refuse_lost_splits(splits, kept)
        splits = replace(splits, roles=splits.roles[kept])
        order, labels = order[kept], labels[kept]
        paths = list(compress(paths, kept.tolist()))
    _refuse_untrained(classes, labels, splits.roles, paths)
    train, test, validation = (
        np.flatnonzero(splits.roles == role) for role in (Role.TRAIN, Role.TEST, Role.VALIDATION)
    )
    made_split = not len(test) and not are_added
    if made_split:
        set_aside = split_mask(labels[train], test_fraction, seed, None if copies is None else copies[order][train])
        if not set_aside.any():
            raise Invalid("dataset_layout", "no class has two images, so none can be set aside for testing")
        train, test = train[~set_aside], train[set_aside]
    return Layout(
        classes,
        *(order[train], labels[train]),
        *(order[test], labels[test]),
        *(order[validation], labels[validation]),
        made_split,
        _use_of_validation(splits, len(validation), set_aside=made_split),
        splits.doubts,
    )


def _refuse_lost_classes(classes: Sequence[str], labels: Labels, kept: NDArray[np.bool_], paths: Sequence[str]) -> None:
    """Raise `Invalid` for a class none of whose images is kept."""
    lost = np.setdiff1d(np.arange(len(classes)), labels[kept])
    if lost.size:
        of_class = np.flatnonzero(labels == lost[0])
        raise Invalid(
            "dataset_classes",
            f"none of the {len(of_class)} images of the class {shown(classes[lost[0]])} can be read, such as"
            f" {shown(paths[of_class[0]])}: convert them to PNG or JPEG, or leave the class out",
        )


def _refuse_lost_splits(splits: Splits, kept: NDArray[np.bool_]) -> None:
    """Raise `Invalid` for a split none of whose images is kept."""
    for role, folders in splits.folders.items():
        if not (kept & (splits.roles == role)).any():
            raise Invalid(
                "dataset_images",
                f"none of the images in {listed(folders)} can be read: convert them to PNG or JPEG, or leave the split"
                " out",
            )


def _refuse_untrained(classes: Sequence[str], labels: Labels, roles: NDArray[np.object_], paths: Sequence[str]) -> None:
    """Raise `Invalid` for a class without images for training."""
    missing = np.setdiff1d(np.arange(len(classes)), labels[roles == Role.TRAIN])
    if missing.size:
        place = int(np.flatnonzero(labels == missing[0])[0])
        name = classes[missing[0]]
        trained = (classes[label] for label in np.setdiff1d(labels, missing))
        similar = next((other for other in trained if other.strip().casefold() == name.strip().casefold()), None)
        remedy = "" if similar is None else f". Train has {shown(similar)}: give both folders the same name"
        raise Invalid(
            "dataset_classes",
            f"the class {shown(name)} has images in {roles[place]}, but none in train: {shown(paths[place])}{remedy}",
        )


def _use_of_validation(splits: Splits, images: int, *, set_aside: bool) -> str | None:
    folders = splits.folders.get(Role.VALIDATION)
    return use_of_validation(images, listed(folders), set_aside=set_aside) if folders else None


def _splits(paths: Sequence[str], start: int) -> Splits:
    """Return the splits of paths below their common folders, which have the length `start`."""
    tops = [part_at(path, start) for path in paths]
    if roles := _roles_of_splits(set(tops), paths):
        inner = _lengths_of_wrappers(tops, start, paths)
        starts = [start + len(top) + 1 + inner[top] for top in tops]
        refuse_bare(paths, tops, starts)
        return _splits_of(tops, roles, starts)
    refuse_mixed(paths, tops, start)
    refuse_combined(tops)
    seconds = list(starmap(part_at, zip(paths, (start + len(top) + 1 for top in tops), strict=True)))
    roles = roles_of(set(seconds))
    if roles and is_divided(roles):  # <class>/train/…, <class>/test/…
        refuse_several_sets(paths, tops, seconds, start)
        return _splits_of(seconds, roles, [start] * len(paths))
    refuse_incomplete(paths, tops, seconds)
    doubts = doubts_about_classes(tops, seconds)
    return Splits([start] * len(paths), np.full(len(paths), Role.TRAIN, object), {}, doubts)


def _splits_of(folders: Sequence[str], roles: dict[str, Role], starts: list[int]) -> Splits:
    by_role: dict[Role, list[str]] = {}
    for name in sorted(roles):
        by_role.setdefault(roles[name], []).append(name)
    return Splits(starts, np.array([roles[folder] for folder in folders], object), by_role)


def _roles_of_splits(tops: set[str], paths: Sequence[str]) -> dict[str, Role] | None:
    """Return the role of each top folder if all of them are splits; None if they are classes or files."""
    roles = roles_of(tops) if len(tops) > 1 and "" not in tops else None
    if roles and Role.TRAIN not in roles.values():
        raise Invalid(
            "dataset_layout",
            f"the folders {listed(sorted(tops))} are not for training, and none is named train: {EXPECTED}; such as"
            f" {shown(paths[0])}",
        )
    return roles


def _lengths_of_wrappers(tops: Sequence[str], start: int, paths: Sequence[str]) -> dict[str, int]:
    """Return the length of the folder between each split and its class folders, as in `train/train/<class>/…`, or 0."""
    inside: dict[str, set[str]] = {}
    for path, top in zip(paths, tops, strict=True):
        inside.setdefault(top, set()).add(part_at(path, start + len(top) + 1))
    all_wrapped = are_wrappers(inside)
    return {
        top: len(next(iter(folders))) + 1 if all_wrapped or repeats(folders, top) else 0
        for top, folders in inside.items()
    }


def _classes(paths: Sequence[str], splits: Splits, max_classes: int, least: int) -> tuple[tuple[str, ...], Labels]:
    """Return the classes, sorted, and each path's label (N,): the index of its class folder.

    Raises `Invalid` for fewer than `least` classes.
    """
    numbers: dict[str, int] = {}
    found = np.empty(len(paths), np.int64)
    for place, (path, start) in enumerate(zip(paths, splits.starts, strict=True)):
        end = path.find("/", start)
        if end < 0:
            raise Invalid("dataset_layout", f"{shown(path)} is not in a class folder: {EXPECTED}")
        found[place] = numbers.setdefault(path[start:end], len(numbers))
    if len(numbers) > max_classes:
        raise Invalid(
            "dataset_classes", f"the archive has {len(numbers)} class folders; 2 to {max_classes} are allowed"
        )
    if len(numbers) < least:
        (only,) = numbers
        raise Invalid(
            "dataset_classes",
            f"the archive has 1 class folder, {shown(only)}, with {len(paths)} files, such as {shown(paths[0])}; 2 to"
            f" {max_classes} are allowed: {EXPECTED}",
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
    """Return the length of the folders that enclose all paths."""
    start = 0
    while True:
        end = paths[0].find("/", start) + 1
        folder = paths[0][start:end]
        if not folder or not all(path.startswith(folder, start) for path in paths):
            return start
        if all(path.find("/", end) < 0 for path in paths):  # the folder of the only class
            return start
        start = end
