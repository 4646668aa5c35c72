"""JSON types of jobs, data sets and models for the OpenAPI document, and the functions that build them.

The types are dictionaries. The type checker validates their contents; nothing is validated at run time.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, cast

from pydantic import WithJsonSchema, with_config
from typing_extensions import TypedDict

from api.schema import examples
from api.schema.examples import shown_as
from api.schema.selections import SelectionView
from shared.datasets import Manifest
from shared.datasets.manifest import Duplicates, Provenance
from shared.images.shapes import Shape
from shared.jobs import Job
from shared.jobs.capacity.sharing.places import Place
from shared.jobs.outcome import Baselines, Finding, Interval, Metrics, Waiting
from shared.jobs.store import Event
from shared.jobs.view import JobDocument, Links, Time, job_document
from shared.json_types import AS_WRITTEN, JsonObject, Skipped
from shared.registry import ModelVersion
from shared.results.lines import Row, RowError

ImageShape = Annotated[
    Shape,
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "integer"},
            "minItems": 2,
            "maxItems": 3,
            "description": "height, width; for images in colour also the number of channels, 3",
        }
    ),
]


@with_config(shown_as(examples.TRAINING_JOB, examples.BATCH_JOB, examples.REPRODUCTION_JOB, examples.EVALUATION_JOB))
class JobView(JobDocument):
    """A job. `attempt` counts its claims by workers; `metrics` are those of a training's latest epoch.

    `skipped` is in the response to the submission of a batch, and later in its `result`: the archive's files that are
    not classified, by the reason's code, with the first names.

    `waiting` says why a queued job cannot start. It is null if the job runs, has ended, or only waits for its turn.
    `warnings` are those of the submission, such as that no worker is online, and the messages of a training's
    diagnosis.
    """

    skipped: NotRequired[Skipped]


def job_view(
    job: Job,
    warnings: list[str] | None = None,
    waiting: Waiting | None = None,
    skipped: Skipped | None = None,
    place: Place | None = None,
) -> JobView:
    """Return the JSON of `/v1/jobs/{id}`, with what only the response to the submission has."""
    view = cast("JobView", job_document(job))
    if skipped is not None:
        view["skipped"] = skipped
    view["waiting"] = waiting or view["waiting"]
    if place is not None:
        view["progress"] |= {
            "place": place.place,
            "starts_in_seconds": place.starts_in_seconds,
            "eta_seconds": place.ends_in_seconds,
        }
    if warnings:
        view["warnings"] = [*warnings, *view.get("warnings", [])]
    return view


@with_config(shown_as(examples.EVENT))
class EventView(TypedDict):
    """One entry of a job's log. `type` is `state`, `progress`, `epoch` or `warning`; later versions may add types."""

    id: str
    type: str
    time: Time
    data: Annotated[JsonObject, AS_WRITTEN]


def event_view(event: Event) -> EventView:
    """Return an event's JSON in `/v1/jobs/{id}/events`."""
    return {"id": event.id, "type": event.type, "time": event.time, "data": event.data}


@with_config(shown_as(examples.ROW))
class RowView(Row):
    """A batch's prediction for one image: the most probable class, and the `top_k` most probable classes."""


@with_config(shown_as(examples.ROW_ERROR))
class RowErrorView(RowError):
    """An unreadable image of a batch, and the reason."""


class DuplicatesView(TypedDict):
    """Exact duplicates, in numbers of images.

    `images` equal another one and could be removed. `test_in_train` are the test images that equal a training image;
    `validation_in_train` and `test_in_validation` likewise. `in_several_classes` equal an image of another class.
    """

    images: int
    test_in_train: int
    validation_in_train: int
    test_in_validation: int
    in_several_classes: int


def duplicates_view(duplicates: Duplicates) -> DuplicatesView:
    """Return the JSON of a data set's duplicates."""
    return {
        "images": duplicates.images,
        "test_in_train": duplicates.test_in_train,
        "validation_in_train": duplicates.validation_in_train,
        "test_in_validation": duplicates.test_in_validation,
        "in_several_classes": duplicates.in_several_classes,
    }


class ProvenanceView(TypedDict):
    """How a data set was derived from another one, `derived_from`, in numbers of images.

    `jobs` and `datasets` have the numbers of added images by the id of the batch or the data set that they come from;
    `uploaded` is the number of the others. `by` is the name of the API key, null if none was used.
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


def provenance_view(provenance: Provenance) -> ProvenanceView:
    """Return the JSON of a data set's provenance."""
    return {
        "derived_from": provenance.derived_from,
        "added": provenance.added,
        "relabelled": provenance.relabelled,
        "removed": provenance.removed,
        "new_classes": provenance.new_classes,
        "jobs": provenance.jobs,
        "datasets": provenance.datasets,
        "uploaded": provenance.uploaded,
        "by": provenance.by,
    }


@with_config(shown_as(examples.DATASET, examples.DERIVED_DATASET))
class DatasetView(TypedDict):
    """A data set. `id` is the digest of its content. `splits` and `class_counts` are numbers of images.

    Their keys are `train`, `test` and, if the upload has a validation split, `validation`. `chosen` says, by option of
    the upload, what was chosen from the images and why: `image_shape`, `channels`, the use of `validation`. If
    `colour_dropped`, images in colour became grayscale, as `channels=1` demanded. `skipped` has the files of the upload
    that are not in the data set, by the reason's code. `duplicates` counts exact duplicates; it is null for data sets
    of older releases. `warnings` says what makes results of the data set doubtful. `provenance` says how it was derived
    from another data set; it is null for uploads and built-in ones.
    """

    id: str
    name: str
    source: str
    image_shape: ImageShape
    classes: tuple[str, ...]
    splits: dict[str, int]
    class_counts: dict[str, tuple[int, ...]]
    bytes: int
    created_at: Time
    chosen: dict[str, str]
    colour_dropped: bool
    skipped: Skipped
    duplicates: DuplicatesView | None
    warnings: tuple[str, ...]
    provenance: ProvenanceView | None


def dataset_view(manifest: Manifest) -> DatasetView:
    """Return the JSON of `/v1/datasets/{id}`."""
    return {
        "id": manifest.id,
        "name": manifest.name,
        "source": manifest.source,
        "image_shape": manifest.image_shape,
        "classes": manifest.classes,
        "splits": manifest.splits,
        "class_counts": manifest.class_counts,
        "bytes": manifest.bytes,
        "created_at": manifest.created_at,
        "chosen": manifest.chosen,
        "colour_dropped": manifest.colour_dropped,
        "skipped": manifest.skipped,
        "duplicates": duplicates_view(manifest.duplicates) if manifest.duplicates else None,
        "warnings": manifest.warnings,
        "provenance": provenance_view(manifest.provenance) if manifest.provenance else None,
    }


@with_config(shown_as({"name": "digits", "content": "images of 8 × 8", "origin": "included", "prepared": True}))
class BuiltInView(TypedDict):
    """A built-in data set. `prepared` says whether it is stored; its first use prepares it.

    `origin` is where that use reads it: `included` in the service, a `folder` of the operator, or a `download`.
    """

    name: str
    content: str
    origin: Literal["included", "folder", "download"]
    prepared: bool


class InputView(TypedDict):
    """A model's input: the shape of an image, (H, W) in grayscale or (H, W, 3) in colour.

    standardization: each channel's `mean` and `deviation` over the training images, as numbers from 0 to 1, which the
    network subtracts and divides by; null for a network that takes the numbers as they are. brightness: gray levels of
    the training images, with which `invert=auto` compares images; null for versions of older releases.
    """

    image_shape: ImageShape
    standardization: dict[str, list[float]] | None
    brightness: dict[str, float] | None


class WeightsView(TypedDict):
    """The file with a version's parameters."""

    bytes: int
    sha256: str


@with_config(shown_as(examples.VERSION))
class VersionView(TypedDict):
    """A version of a model. If it is `damaged`, its file's digest is wrong, and it is not used.

    `selection` is null if the training's preset was not `auto`. `accuracy_interval` is the 95 % confidence interval
    (Wilson) of the test accuracy. `diagnosis` is what is wrong with the result, empty if nothing was found. They and
    `baselines` are null for versions of older releases.
    """

    model: str
    version: int
    aliases: list[str]
    created_at: Time
    job: str
    dataset: str
    configuration: JsonObject
    seed: int
    blas_threads: int
    environment: dict[str, str]
    input: InputView
    classes: tuple[str, ...]
    parameters: int
    metrics: Annotated[Metrics, AS_WRITTEN]
    accuracy_interval: Interval | None
    baselines: Baselines | None
    diagnosis: tuple[Finding, ...] | None
    weights: WeightsView
    selection: SelectionView | None
    damaged: bool
    links: Links


def version_view(version: ModelVersion, aliases: dict[str, int], damaged: bool) -> VersionView:
    """Return the JSON of `/v1/models/{name}/versions/{ref}`."""
    path = f"/v1/models/{version.model}/versions/{version.version}"
    return {
        "model": version.model,
        "version": version.version,
        "aliases": sorted(alias for alias, number in aliases.items() if number == version.version),
        "created_at": version.created_at,
        "job": version.job,
        "dataset": version.dataset,
        "configuration": version.configuration,
        "seed": version.seed,
        "blas_threads": version.blas_threads,
        "environment": version.environment,
        "input": {
            "image_shape": version.image_shape,
            "standardization": version.standardization,
            "brightness": version.brightness.model_dump() if version.brightness else None,
        },
        "classes": version.classes,
        "parameters": version.parameters,
        "metrics": version.metrics,
        "accuracy_interval": version.accuracy_interval,
        "baselines": version.baselines,
        "diagnosis": version.diagnosis,
        "weights": {"bytes": version.weights.bytes, "sha256": version.weights.sha256},
        "selection": version.selection,
        "damaged": damaged,
        "links": {name: f"{path}/{name}" for name in ("weights", "evaluation", "predictions", "predict", "reproduce")},
    }


@with_config(shown_as(examples.MODEL))
class ModelView(TypedDict):
    """A model: its number of versions, its aliases with their versions, and its newest version."""

    name: str
    versions: int
    aliases: dict[str, int]
    latest: VersionView
    links: Links


def model_view(name: str, versions: int, latest: ModelVersion, aliases: dict[str, int], damaged: bool) -> ModelView:
    """Return the JSON of `/v1/models/{name}`. versions: their number. damaged: whether the newest version is."""
    return {
        "name": name,
        "versions": versions,
        "aliases": aliases,
        "latest": version_view(latest, aliases, damaged),
        "links": {"versions": f"/v1/models/{name}/versions"},
    }
