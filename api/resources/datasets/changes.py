"""The changes that derive a data set: the request's JSON, and the images and labels that it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import FailFast, Field, model_validator

from api.requests.validation import Matching, RequestModel
from api.resources.batches.results import batch_of
from api.schema.examples import DATASET_CHANGES, shown_as
from shared.archives import load as load_index
from shared.datasets import Arrays, DatasetStore, Manifest
from shared.datasets.builtin.built_in import BuiltIn
from shared.datasets.derivation.content import Addition, Mask
from shared.datasets.derivation.origins import BatchImages, DatasetImages, archive_missing
from shared.datasets.folders.decoding_time import DecodingTime
from shared.errors import FieldError, Invalid, NotFound, TooLarge
from shared.images.shapes import Shape, as_text, channels_of
from shared.jobs import JobStore
from shared.jobs.specifications import BatchSpecification
from shared.registry import Registry
from shared.runtime.settings import Settings
from shared.storage.volume import Volume

MOST_ORIGINS = 20
"""The most batches and data sets from which one request adds images: each is read."""

SplitName = Literal["train", "validation", "test"]
Index = Annotated[int, Field(ge=0, lt=10**12, description="index of the image")]
Label = Annotated[
    str,
    Field(max_length=255, description="name of the class"),
    Matching(r"[\s\S]*\S[\s\S]*", "must be the name of a class"),
]


class AddedImage(RequestModel):
    """An image to add: entry `index` of a batch's archive, or image `index` of a split of a data set."""

    job: str | None = Field(None, max_length=64, description="id of a batch job, whose archive has the image")
    dataset: str | None = Field(None, max_length=255, description="id or name of a data set that has the image")
    split: SplitName | None = Field(None, description="split of that data set")
    index: Index
    label: Label

    @model_validator(mode="after")
    def _has_one_origin(self) -> Self:
        if (self.job is None) == (self.dataset is None):
            raise ValueError("must have either job or dataset")
        if (self.dataset is None) != (self.split is None):
            raise ValueError("must have split with dataset" if self.dataset else "cannot have split with job")
        return self


class RelabelledImage(RequestModel):
    """An image of the data set, and the name of its right class."""

    split: SplitName
    index: Index
    label: Label


class RemovedImage(RequestModel):
    """An image of the data set to leave out."""

    split: SplitName
    index: Index


class DatasetChanges(RequestModel):
    """Changes to a data set. Indices are those of the data set before the changes; no image is changed twice."""

    model_config = shown_as(DATASET_CHANGES) | {"extra": "forbid", "frozen": True}

    add: Annotated[list[AddedImage], FailFast()] = Field(
        default_factory=list,
        description="images to add, resized to the data set's shape; from at most 20 batches and data sets",
    )
    relabel: Annotated[list[RelabelledImage], FailFast()] = Field(
        default_factory=list, description="images that belong to another class"
    )
    remove: Annotated[list[RemovedImage], FailFast()] = Field(default_factory=list, description="images to leave out")

    def check_number(self, limits: Settings) -> None:
        """Raise `TooLarge` for more changes than one request may have."""
        count = len(self.add) + len(self.relabel) + len(self.remove)
        if count > limits.max_dataset_changes:
            raise TooLarge(
                "too_many_changes",
                f"a request may have at most {limits.max_dataset_changes} changes (GLASSBOX_MAX_DATASET_CHANGES); got"
                f" {count}. Send the others to the data set that results, or upload the images",
            )


def removals(changes: DatasetChanges, arrays: Arrays) -> dict[str, Mask]:
    """Return the masks (N,) of removed images by split. Raises `Invalid` for an image that does not exist."""
    found: dict[str, Mask] = {}
    for place, image in enumerate(changes.remove):
        _check_index(image, arrays, f"#/remove/{place}")
        labels = arrays.splits[image.split][1]
        mask = found.setdefault(image.split, np.zeros(len(labels), np.bool_))
        if mask[image.index]:
            raise _twice(f"#/remove/{place}", f"image {image.index} of {image.split}")
        mask[image.index] = True
    return found


def relabelled(changes: DatasetChanges, arrays: Arrays, removed: dict[str, Mask]) -> dict[str, dict[int, str]]:
    """Return the new labels by split and index. Raises `Invalid` for an image that is changed twice or not found."""
    found: dict[str, dict[int, str]] = {}
    for place, image in enumerate(changes.relabel):
        _check_index(image, arrays, f"#/relabel/{place}")
        labels = found.setdefault(image.split, {})
        if image.index in labels or (image.split in removed and removed[image.split][image.index]):
            raise _twice(f"#/relabel/{place}", f"image {image.index} of {image.split}")
        labels[image.index] = image.label
    return found


def _check_index(image: RelabelledImage | RemovedImage | AddedImage, arrays: Arrays, pointer: str) -> None:
    split = str(image.split)
    if split not in arrays.splits:
        reason = f"the data set has no images for {split}; it has {', '.join(arrays.splits)}"
        raise _invalid(f"{pointer}/split", reason)
    count = len(arrays.splits[split][1])
    if image.index >= count:
        raise _invalid(
            f"{pointer}/index", f"must be less than the number of images in {split}, {count}; got {image.index}"
        )


def _invalid(pointer: str, reason: str) -> Invalid:
    field = FieldError(reason, pointer=pointer)
    return Invalid("validation_failed", f"{pointer.removeprefix('#/').replace('/', '.')}: {reason}", [field])


def _twice(pointer: str, image: str) -> Invalid:
    return _invalid(pointer, f"{image} is changed twice: send one change for an image")


@dataclass(frozen=True)
class Origins:
    """Finds the images that requests add."""

    store: DatasetStore
    built_in: BuiltIn
    jobs: JobStore
    registry: Registry
    volume: Volume
    limits: Settings

    def additions(self, added: Sequence[AddedImage], shape: Shape) -> tuple[Addition, ...]:
        """Return the images by origin, sorted by its id and their index: their order in the request has no effect.

        Raises `NotFound`, `Conflict` or `Invalid` for images that do not exist or cannot be added.
        """
        named = {(each.job, each.dataset) for each in added}
        if len(named) > MOST_ORIGINS:
            raise _invalid("#/add", f"may name at most {MOST_ORIGINS} batches and data sets; got {len(named)}")
        datasets = {name: self._dataset(name) for _, name in named if name}
        ids = {name: manifest.id for name, (manifest, _) in datasets.items()}

        def key(place: int) -> tuple[str, str, int]:
            image = added[place]
            if image.dataset:
                return ids[image.dataset], str(image.split), image.index
            return str(image.job), "", image.index

        order = sorted(range(len(added)), key=key)
        for before, place in pairwise(order):
            if key(before) == key(place):
                raise _twice(f"#/add/{max(before, place)}", f"image {added[place].index} of {key(place)[0]}")
        time = DecodingTime(self.limits.max_dataset_seconds)
        found = []
        for _, group in groupby(order, key=lambda place: key(place)[:2]):
            places = list(group)
            first = added[places[0]]
            if first.dataset:
                found.append(self._of_dataset(*datasets[first.dataset], added, places, shape))
            else:
                found.append(self._of_batch(str(first.job), added, places, shape, time))
        return tuple(found)

    def _dataset(self, reference: str) -> tuple[Manifest, Arrays]:
        return self.store.load(self.built_in.get(reference).id, anew=False)

    def _of_dataset(
        self, manifest: Manifest, arrays: Arrays, added: Sequence[AddedImage], places: list[int], shape: Shape
    ) -> Addition:
        for place in places:
            _check_index(added[place], arrays, f"#/add/{place}")
        if channels_of(manifest.image_shape) != channels_of(shape):
            reason = (
                f"the images of {manifest.id} are {as_text(manifest.image_shape)}, those of this data set"
                f" {as_text(shape)}: arrays are not converted between grayscale and colour; upload the image files"
            )
            raise _invalid(f"#/add/{places[0]}/dataset", reason)
        split = str(added[places[0]].split)
        indices = np.array([added[place].index for place in places], np.int64)
        return Addition(
            DatasetImages(arrays.splits[split][0], indices, shape),
            [added[place].label for place in places],
            lambda at: f"image {indices[at]} of {split} of {manifest.id}",
            dataset=manifest.id,
            paths=[path or "" for path in self.store.paths(manifest.id).at(split, indices.tolist())],
        )

    def _of_batch(
        self, job_id: str, added: Sequence[AddedImage], places: list[int], shape: Shape, time: DecodingTime
    ) -> Addition:
        try:
            job = batch_of(self.jobs, job_id)
        except NotFound as error:
            detail = f"{error.detail}, so its images do not exist any more: leave them out, or send them as a file"
            raise NotFound(error.code, detail) from error
        specification = BatchSpecification.of(job.specification)
        compares = specification.invert == "auto" and specification.compares_with_training
        version = self.registry.get(specification.model, str(specification.version)) if compares else None
        try:
            index = load_index(self.volume.archive_index(job.id))
        except FileNotFoundError:
            raise archive_missing(job.id) from None
        count = len(index)
        for place in places:
            if added[place].index >= count:
                reason = f"must be less than the number of images in the archive, {count}; got {added[place].index}"
                raise _invalid(f"#/add/{place}/index", reason)
        indices = np.array([added[place].index for place in places], np.int64)
        images = BatchImages(
            job.id,
            self.volume.archive(job.id),
            self.volume.archive_index(job.id),
            indices,
            shape,
            self.limits,
            time,
            specification.invert,
            version.brightness if version else None,
        )
        labels = [added[place].label for place in places]
        paths = [] if index.image_shape else [index.paths(at, at + 1)[0] for at in indices.tolist()]
        return Addition(images, labels, lambda at: f"image {indices[at]} of job {job.id}", job=job.id, paths=paths)
