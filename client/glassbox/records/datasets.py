"""The summary of a data set: its balance, its mean images and its exact duplicates; and how it was derived."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BuiltInDataset:
    """A built-in data set, whose first use prepares it.

    origin: where that use reads it: `included` in the service, a `folder` of the operator, or a `download`. prepared:
    whether it is stored.
    """

    name: str
    content: str
    origin: str
    prepared: bool


@dataclass(frozen=True)
class Provenance:
    """How a data set was derived from another one, `derived_from`, in numbers of images.

    new_classes: those that were appended. jobs, datasets: the numbers of added images by the id of the batch or the
    data set that they come from; `uploaded` is the number of the others. by: the name of the API key, None without one.
    """

    derived_from: str
    added: int
    relabelled: int
    removed: int
    new_classes: tuple[str, ...]
    jobs: dict[str, int]
    datasets: dict[str, int]
    uploaded: int
    by: str | None


@dataclass(frozen=True)
class ClassSummary:
    """A class: its numbers of images by split, and their mean as a PNG in a data URI, None without images."""

    label: str
    images: dict[str, int]
    mean_image: str | None


@dataclass(frozen=True)
class Copy:
    """One of several equal images: its split, its index in the split, and its class."""

    split: str
    index: int
    label: str


@dataclass(frozen=True)
class DuplicateGroup:
    """Equal images: their number, and at most 20 of them."""

    count: int
    copies: tuple[Copy, ...]


@dataclass(frozen=True)
class DuplicateGroups:
    """Groups of equal images: their number, the number of images in them, and at most 50 of the groups."""

    groups: int
    images: int
    first: tuple[DuplicateGroup, ...]


@dataclass(frozen=True)
class DatasetSummary:
    """The balance of a data set, the mean image of each class, and its exact duplicates.

    within_splits: groups with several images in one split. between_splits: in several splits. different_labels: of
    several classes. A group can be of several kinds.
    """

    id: str
    classes: tuple[ClassSummary, ...]
    within_splits: DuplicateGroups
    between_splits: DuplicateGroups
    different_labels: DuplicateGroups


@dataclass(frozen=True)
class Compared:
    """The number of images of a split, and how many of them were compared."""

    images: int
    compared: int


@dataclass(frozen=True)
class NearPair:
    """An image, and the training image with the largest cosine of the pixels."""

    cosine: float
    image: Copy
    nearest: Copy


@dataclass(frozen=True)
class NearPairs:
    """The number of images that are almost the same as a training image, and at most 500 of them.

    first: the most similar first. compared: by split. compared_shape: that of the images that were compared.
    """

    id: str
    threshold: float
    compared_shape: tuple[int, ...]
    compared: dict[str, Compared]
    pairs: int
    first: tuple[NearPair, ...]
