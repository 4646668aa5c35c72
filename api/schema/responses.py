"""How jobs, data sets and models look in JSON: a type for each, which the OpenAPI document shows, and what fills it.

The types are dictionaries: the type checker holds what is filled in against them, and at run time nothing does.
"""

from __future__ import annotations

from typing import Annotated, NotRequired, cast

from pydantic import WithJsonSchema, with_config
from typing_extensions import TypedDict

from api.schema import examples
from api.schema.examples import shown_as
from shared.datasets import Manifest
from shared.jobs import Job
from shared.jobs.outcome import Metrics, Waiting
from shared.jobs.store import Event
from shared.jobs.view import JobDocument, Links, Time, job_document
from shared.json_types import AS_WRITTEN, JsonObject
from shared.registry import ModelVersion
from shared.results.lines import Row, RowError

Shape = Annotated[
    tuple[int, int],
    WithJsonSchema(
        {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2, "description": "height, width"}
    ),
]


@with_config(shown_as(examples.TRAINING_JOB, examples.BATCH_JOB, examples.REPRODUCTION_JOB))
class JobView(JobDocument):
    """A job. `attempt` counts how often a worker has taken it; `metrics` are those of a training's newest epoch.

    `waiting` says why a queued job cannot start; it is null for one that runs, is over, or waits for its turn alone.
    """

    warnings: NotRequired[list[str]]


def job_view(job: Job, warnings: list[str] | None = None, waiting: Waiting | None = None) -> JobView:
    """A job as `/v1/jobs/{id}` shows it, with warnings after its submission, and why it waits if known here."""
    view = cast("JobView", job_document(job))
    view["waiting"] = waiting or view["waiting"]
    if warnings:
        view["warnings"] = warnings
    return view


@with_config(shown_as(examples.EVENT))
class EventView(TypedDict):
    """One entry of a job's log; `type` is `state`, `progress`, `epoch` or another that comes to be."""

    id: str
    type: str
    time: Time
    data: Annotated[JsonObject, AS_WRITTEN]


def event_view(event: Event) -> EventView:
    """An event as `/v1/jobs/{id}/events` shows it."""
    return {"id": event.id, "type": event.type, "time": event.time, "data": event.data}


@with_config(shown_as(examples.ROW))
class RowView(Row):
    """What a batch says of one image: the most probable class, and the `top_k` most probable ones."""


@with_config(shown_as(examples.ROW_ERROR))
class RowErrorView(RowError):
    """Why an image of a batch could not be read."""


@with_config(shown_as(examples.DATASET))
class DatasetView(TypedDict):
    """A data set. `id` is the digest of its content; `splits` and `class_counts` count images."""

    id: str
    name: str
    source: str
    image_shape: Shape
    classes: tuple[str, ...]
    splits: dict[str, int]
    class_counts: dict[str, tuple[int, ...]]
    bytes: int
    created_at: Time


def dataset_view(manifest: Manifest) -> DatasetView:
    """A data set as `/v1/datasets/{id}` shows it."""
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
    }


class InputView(TypedDict):
    """What a model takes: height and width of an image."""

    image_shape: Shape


class WeightsView(TypedDict):
    """The file of a version's parameters."""

    bytes: int
    sha256: str


@with_config(shown_as(examples.VERSION))
class VersionView(TypedDict):
    """A version of a model. A `damaged` one is not what was published, and is not used."""

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
    weights: WeightsView
    damaged: bool
    links: Links


def version_view(version: ModelVersion, aliases: dict[str, int], damaged: bool) -> VersionView:
    """A model's version as `/v1/models/{name}/versions/{ref}` shows it; a damaged one cannot be used."""
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
        "input": {"image_shape": version.image_shape},
        "classes": version.classes,
        "parameters": version.parameters,
        "metrics": version.metrics,
        "weights": {"bytes": version.weights.bytes, "sha256": version.weights.sha256},
        "damaged": damaged,
        "links": {what: f"{path}/{what}" for what in ("weights", "evaluation", "predict", "reproduce")},
    }


@with_config(shown_as(examples.MODEL))
class ModelView(TypedDict):
    """A model: how many versions it has, its aliases and the versions that they point to, and the newest version."""

    name: str
    versions: int
    aliases: dict[str, int]
    latest: VersionView
    links: Links


def model_view(name: str, versions: list[ModelVersion], aliases: dict[str, int], damaged: bool) -> ModelView:
    """A model as `/v1/models/{name}` shows it: how many versions it has, the newest, and whether that is damaged."""
    return {
        "name": name,
        "versions": len(versions),
        "aliases": aliases,
        "latest": version_view(versions[0], aliases, damaged),
        "links": {"versions": f"/v1/models/{name}/versions"},
    }
