"""The content of a data set before it is stored: labels in memory, images as a stream of blocks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.datasets.manifest import ColourCheck, Provenance
from shared.images.shapes import Shape
from shared.json_types import Skipped

Images = NDArray[np.uint8]  # (N, H, W), or (N, H, W, 3) in colour
Labels = NDArray[np.int64]  # (N,), indices into the classes


@dataclass(frozen=True)
class Split:
    """One part of a data set: `labels` (N,), and blocks of images, N in all, read on iteration.

    The blocks are (n, H, W), or (n, H, W, 3) in colour. paths: of the images in the upload, N in all, read on each
    iteration; empty if the images have none.
    """

    labels: Labels
    blocks: Iterable[Images]
    paths: Iterable[str] = ()


@dataclass(frozen=True)
class Content:
    """The content of a data set before it is stored.

    validation: images on which trainings are measured after each epoch, None if the upload has none. chosen: what the
    upload did not set and the images decided, as sentences by option. colour_dropped: images in colour
    become grayscale, as the upload demands; `colour_check` says then how well the colour gives the class. skipped:
    files that are not part of the data set, by the reason's code. unsupported: the number of images among them. doubts:
    warnings about the upload itself, as sentences. provenance: how the content was derived from another data set.

    revise: takes the fingerprints of the images that were read, by part, and returns the content to store instead, if
    the images show what their names and headers do not: that some are damaged, or equal. Raises `Invalid`.
    """

    image_shape: Shape
    classes: tuple[str, ...]
    train: Split
    test: Split
    validation: Split | None = None
    chosen: Mapping[str, str] = field(default_factory=dict)
    colour_dropped: bool = False
    colour_check: ColourCheck | None = None
    skipped: Skipped = field(default_factory=dict)
    unsupported: int = 0
    doubts: tuple[str, ...] = ()
    provenance: Provenance | None = None
    revise: Callable[[Mapping[str, NDArray[np.uint64]]], Content | None] = lambda _: None

    @property
    def splits(self) -> dict[str, Split]:
        """The parts by name, in the order in which they are stored and hashed."""
        validation = {"validation": self.validation} if self.validation else {}
        return {"train": self.train, **validation, "test": self.test}

    def start_digest(self) -> hashlib._Hash:
        """Return the digest of classes, shapes and labels; the store adds the images' bytes when it writes them."""
        head = {
            "image_shape": list(self.image_shape),
            "classes": list(self.classes),
            "splits": {name: len(split.labels) for name, split in self.splits.items()},
        }
        digest = hashlib.sha256(json.dumps(head, separators=(",", ":")).encode())
        for split in self.splits.values():
            digest.update(split.labels.astype("<i8").tobytes())
        return digest


def use_of_validation(images: int, where: str, *, set_aside: bool) -> str:
    """Return what images for validation are used for, as a sentence. where: their folder, file or array.

    set_aside: the upload has no images for testing, so training images become them.
    """
    sentence = (
        f"the {images:,} images in {where} are not trained on: each training is measured on them after each epoch,"
        " instead of holding out training images"
    )
    without_test = "; there are no images for testing, so a share of the training images is set aside for the test"
    return sentence + without_test if set_aside else sentence


def classes_of(*labels: NDArray[Any]) -> NDArray[Any]:
    """Return the distinct labels of all parts, sorted: label `v` becomes the index `searchsorted(classes, v)`."""
    return np.unique(np.concatenate([np.unique(part) for part in labels]))


def stratified_test_mask(labels: Labels, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Choose `fraction` of each class for testing, at random, at least one sample of a class that has two or more.

    Returns a mask (N,) that is true for each sample for testing.
    """
    rng = np.random.default_rng(seed)
    mask = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(max(round(len(members) * fraction), 1), len(members) - 1)
        mask[rng.permutation(members)[:count]] = True
    return mask
