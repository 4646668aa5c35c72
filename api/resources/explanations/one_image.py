"""The one image that a request explains: a file, numbers, or an image of a data set or of a batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, NoReturn

import numpy as np
from flask import request
from numpy.typing import NDArray
from pydantic import Field

from api.requests.bodies import fast_json
from api.requests.bodies.body import whole_body
from api.requests.bodies.forms import options_of
from api.requests.online.files import decoded_images, read_images
from api.requests.online.instances import images_of
from api.requests.online.inversion import INVERT, chosen_invert
from api.requests.online.memory import held, memory_busy
from api.requests.validation import AnyRequest, RequestModel, from_texts, validated
from api.resources.batches.images import decode_entry
from api.resources.batches.results import batch_of, reads_archive
from api.resources.datasets.images import PREPARATION
from api.schema.examples import DATASET_ID, JOB_ID, shown_as
from api.schema.operations import UploadSpec, error_response
from api.schema.references import STORE_ERRORS
from shared.archives import Contents
from shared.archives import load as load_index
from shared.datasets import DatasetStore
from shared.datasets.builtin.built_in import BuiltIn
from shared.errors import (
    Conflict,
    Damaged,
    FieldError,
    Invalid,
    Malformed,
    NotFound,
    TooLarge,
    Unavailable,
    UnsupportedType,
)
from shared.images.changes import changes_of, resized
from shared.images.decoding import resize_into
from shared.images.inversion import invert, inverted_warning
from shared.images.number_range import almost_black, almost_black_warning
from shared.images.turns import NoTurn
from shared.jobs import JobStore
from shared.jobs.specifications import BatchSpecification, Invert
from shared.registry import ModelVersion
from shared.runtime.settings import Settings
from shared.storage.volume import Volume

MOST_NAME = 255


class ImageOptions(RequestModel):
    """The options of every operation on one image."""

    invert: Invert = Field("auto", description=INVERT)


class OneImage(RequestModel):
    """An image as numbers, or the place of one: in a data set or in a batch."""

    model_config = shown_as(
        {"dataset": DATASET_ID, "split": "test", "index": 17},
        {"job": JOB_ID, "index": 3},
        {"instances": [[0, 64, 128, 255]]},
    ) | {"extra": "forbid"}

    instances: list[Any] | None = Field(None, description="one image as numbers, as in a request for predictions")
    dataset: str | None = Field(None, max_length=MOST_NAME, description="a data set: its id or a name")
    split: Literal["train", "validation", "test"] = Field("test", description="the part of the data set")
    job: str | None = Field(None, max_length=MOST_NAME, description="the id of a batch")
    index: int | None = Field(
        None, ge=0, lt=10**12, description="position of the image in the split, or in the batch's archive, from 0"
    )


BODY = UploadSpec(
    "image",
    "One image; a form with one part `image`; or JSON: an image as numbers, `dataset` with `split` and `index`, or"
    " `job` with `index`.",
    json=OneImage,
)

ERRORS = (
    error_response(
        NotFound,
        *(
            "model_not_found",
            "version_not_found",
            "version_deleted",
            "dataset_not_found",
            "job_not_found",
            "archive_not_found",
            "source_not_found",
            "source_unreadable",
        ),
    ),
    error_response(Conflict, "model_unloaded", "model_too_large", "not_a_batch", "source_changed"),
    *STORE_ERRORS,
    error_response(Malformed, "malformed_json", "malformed_form", "body_cut_short", "body_damaged"),
    error_response(
        TooLarge,
        *(
            "body_too_large",
            "form_too_large",
            "too_many_images",
            "request_too_large",
            "response_too_large",
            "too_many_operations",
        ),
    ),
    error_response(UnsupportedType, "encoding_unknown"),
    error_response(
        Invalid,
        "validation_failed",
        "file_expected",
        "image_*",
        "not_an_image",
        "invalid_images",
        "specification_unknown",
    ),
    error_response(
        Damaged, "version_damaged", "version_unreadable", "dataset_damaged", "dataset_unreadable", "plan_damaged"
    ),
    *PREPARATION,
    error_response(Unavailable, "memory_busy"),
)
"""The errors of every operation on one image."""


@dataclass(frozen=True)
class Found(Generic[AnyRequest]):
    """The request's image (H, W) or (H, W, 3) as the network gets it, and its options.

    label: the image's class, if it belongs to a data set. inverted: whether light and dark were exchanged. changes:
    what else was changed for the network, as sentences.
    """

    options: AnyRequest
    pixels: NDArray[np.uint8]
    label: str | None
    inverted: bool
    changes: list[str]
    warnings: list[str]


@dataclass
class _Pixels:
    """An image before any inversion, as a block of one. invert: the batch's option, if it belongs to a batch."""

    block: NDArray[np.uint8]
    label: str | None = None
    invert: Invert | None = None
    changes: list[str] = field(default_factory=list)
    warnings: tuple[str, ...] = ()


class OneImageReader:
    """Reads the image of a request."""

    def __init__(
        self, store: DatasetStore, built_in: BuiltIn, jobs: JobStore, volume: Volume, limits: Settings
    ) -> None:
        self._store = store
        self._built_in = built_in
        self._jobs = jobs
        self._volume = volume
        self._limits = limits

    def read(self, version: ModelVersion, model: type[AnyRequest]) -> Found[AnyRequest]:
        """Return the image in the shape of the version's images, and the options. `model` has those of `ImageOptions`.

        Raises the errors `ERRORS`.
        """
        body = whole_body(self._limits.limit("max_online_bytes"))
        if request.mimetype == "application/json":
            options = from_texts(model, request.args)
            pixels = self._of_json(fast_json.read(body, self._limits.limit("max_online_json_bytes")), version)
        else:
            contents, texts = read_images(body, model, self._limits)
            options = from_texts(model, options_of(texts))
            if len(contents) != 1:
                _refuse(f"must be one image; got {len(contents)}", parameter="image")
            held(request.environ).body(len(body) + math.prod(version.image_shape))
            block = decoded_images(contents, version.image_shape, self._limits)
            changes = changes_of(contents[0], version.image_shape, self._limits.max_image_pixels)
            warnings = (almost_black_warning(1, 1),) if almost_black(block).any() else ()
            pixels = _Pixels(block, changes=changes, warnings=warnings)
        return _inverted(pixels, options, version)

    def _of_json(self, document: Any, version: ModelVersion) -> _Pixels:
        if isinstance(document, dict) and document.keys() & {"dataset", "job", "index", "split"}:
            return self._of_place(validated(OneImage, document), version)
        block, warnings = images_of(document, version.image_shape)
        if len(block) != 1:
            _refuse(f"must be one image; got {len(block)}", pointer="#/instances")
        return _Pixels(block, warnings=tuple(warnings))

    def _of_place(self, place: OneImage, version: ModelVersion) -> _Pixels:
        if place.index is None:
            _refuse("is required: the position of the image, from 0", pointer="#/index")
        given = [name for name in ("instances", "dataset", "job") if getattr(place, name) is not None]
        if len(given) != 1 or given == ["instances"]:
            stated = " and ".join(given) or "neither"
            _refuse(f"needs either a dataset or a job; got {stated}", pointer="#/index")
        if place.dataset is not None:
            return self._of_dataset(place.dataset, place.split, place.index, version)
        assert place.job is not None
        if "split" in place.model_fields_set:
            _refuse("cannot be combined with a job", pointer="#/split")
        return self._of_batch(place.job, place.index, version)

    def _of_dataset(self, reference: str, split: str, index: int, version: ModelVersion) -> _Pixels:
        manifest, arrays = self._store.load(self._built_in.get(reference).id, anew=False)
        if split not in arrays.splits:
            _refuse(f"must be a split of this data set: {', '.join(arrays.splits)}; got {split}", pointer="#/split")
        images, labels = arrays.splits[split]
        _check_index(index, len(labels))
        block = np.empty((1, *version.image_shape), np.uint8)
        try:
            resize_into(block, images[index : index + 1])
        except Malformed as error:
            raise Invalid(error.code, error.detail, [FieldError(error.detail, pointer="#/dataset")]) from error
        height, width = images.shape[1:3]
        changes = resized((height, width), version.image_shape)
        return _Pixels(block, manifest.classes[int(labels[index])], changes=changes)

    def _of_batch(self, job_id: str, entry: int, version: ModelVersion) -> _Pixels:
        job = batch_of(self._jobs, job_id)
        specification = BatchSpecification.of(job.specification)
        held(request.environ).response(self._limits.max_entry_bytes)
        block = np.empty((1, *version.image_shape), np.uint8)
        with reads_archive(job):
            archive = load_index(self._volume.archive_index(job.id))
            _check_index(entry, len(archive))
            with Contents(self._volume.archive(job.id), archive, self._limits) as contents:
                try:
                    decode_entry(block[0], contents, archive, entry, self._limits)
                except Malformed as error:
                    raise Invalid(error.code, error.detail, [FieldError(error.detail, pointer="#/index")]) from error
                except NoTurn:
                    raise memory_busy("other large images are decoded in this process, one at a time") from None
                if archive.image_shape:
                    height, width = archive.image_shape[:2]
                    changes = resized((height, width), version.image_shape)
                else:
                    changes = changes_of(contents.read(entry), version.image_shape, self._limits.max_image_pixels)
        return _Pixels(block, invert=specification.invert, changes=changes)


def _inverted(pixels: _Pixels, options: AnyRequest, version: ModelVersion) -> Found[AnyRequest]:
    """Return the image, with light and dark exchanged as the options, the batch or the version's default require."""
    assert isinstance(options, ImageOptions)
    mode = chosen_invert(options.invert, options, version)
    if pixels.invert is not None and "invert" not in options.model_fields_set:
        mode = pixels.invert
    before = pixels.block.copy()
    look_inverted = invert(pixels.block, mode, version.brightness)
    warnings = list(pixels.warnings)
    if look_inverted and mode == "never":
        warnings.append(inverted_warning(1, 1, f"{version.model}@{version.version}"))
    image = pixels.block[0]
    return Found(options, image, pixels.label, not np.array_equal(before[0], image), pixels.changes, warnings)


def _check_index(index: int, count: int) -> None:
    if index >= count:
        _refuse(f"must be less than the number of images, {count}; got {index}", pointer="#/index")


def _refuse(reason: str, pointer: str | None = None, parameter: str | None = None) -> NoReturn:
    place = parameter or str(pointer).removeprefix("#/")
    raise Invalid("validation_failed", f"{place}: {reason}", [FieldError(reason, pointer, parameter)])
