"""The specifications of jobs: pinned when a job is submitted, read by the worker that runs it."""

from __future__ import annotations

from typing import Literal, Self, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import Invalid
from shared.json_types import JsonObject

Invert = Literal["never", "always", "auto"]
SinkFormat = Literal["jsonl", "csv", "parquet"]


MIN_SHARDS = 16
"""The minimum number of shards of an archive, so that several processes can share it; `MIN_SHARD_IMAGES` prevails."""

SHARDS_PER_PROCESS = 4
"""The minimum number of shards for each process, so that few processes wait for the last shard of another."""

MIN_SHARD_IMAGES = 256
"""The minimum number of images of a shard, because each shard costs some milliseconds, mostly for the disk."""


class Specification(BaseModel):
    """The base of the specifications of all kinds of jobs.

    A newer version of the code than the one that accepted a job may run it, or an older one after a rollback. Fields
    with their default are not written, so that an older version meets an unsupported field only if the job needs it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def of(cls, pinned: JsonObject) -> Self:
        """Parse the JSON of `pinned` to run the job; raises `Invalid` if this version does not support a field."""
        try:
            return cls.model_validate(pinned)
        except ValidationError as error:
            raise unknown(error) from error

    @classmethod
    def described_by(cls, pinned: JsonObject) -> Self:
        """Parse the JSON of `pinned` to show the job: unsupported fields are ignored, missing ones are not set."""
        return cast("Self", cls.model_construct(**pinned))

    def pinned(self) -> JsonObject:
        """Return the specification as JSON for the job's record and folder."""
        return self.model_dump(mode="json", exclude_defaults=True)


def unknown(error: Exception) -> Invalid:
    """Return the error of a job that needs a feature that this version of the code does not support."""
    detail = "another version of Glassbox accepted the job, which needs a feature that this version does not support"
    return Invalid("specification_unknown", f"{detail}; `retry` runs it when the other version is back: {error}")


class TrainingSpecification(Specification):
    """Train `configuration` on `dataset`, publish it as a version of `model`, and point the alias `promote` to it.

    With `candidates`, of which `configuration` is the first, a race between them chooses the configuration.
    """

    model: str
    dataset: str
    configuration: JsonObject
    candidates: tuple[JsonObject, ...] = ()
    promote: str | None = None

    @property
    def configurations(self) -> tuple[JsonObject, ...]:
        """The configurations to choose from, at least one."""
        return self.candidates or (self.configuration,)


class ReproductionSpecification(Specification):
    """Repeat the training of `model` at `version`, and compare the weights bit by bit.

    The configuration is in the version's manifest, which never changes. `dataset` is repeated here so that the data
    sets that jobs need can be found without the manifests.
    """

    model: str
    version: int
    dataset: str


class EvaluationSpecification(Specification):
    """Evaluate `model` at `version` on the images of a `split` of `dataset`."""

    model: str
    version: int
    dataset: str
    split: str = "test"


class BatchSpecification(Specification):
    """Classify the job's archive with `model` at `version`. `passed_over` counts its skipped entries, not images.

    The size of the shards is pinned too, so that a shard's number means the same images in every worker.
    `compares_with_training`: whether `invert="auto"` compares images with the training images; older releases do not.
    `source`: the path of the file or folder that is read in place of an archive on the volume; the index pins it.
    `archives`: the names of several archives.
    `sink`: the URL of the folder or prefix to which the results are written, in `sink_format`.
    """

    model: str
    version: int
    top_k: int
    invert: Invert
    compares_with_training: bool = False
    error_threshold: float
    passed_over: int = 0
    shard_images: int
    shard_bytes: int
    source: str | None = None
    archives: tuple[str, ...] = ()
    sink: str | None = None
    sink_format: SinkFormat = "jsonl"


def shard_size(images: int, most: int, processes: int) -> int:
    """Return how many images a shard of an archive of `images` has: `most`, or fewer to make more shards.

    processes: the number of classifiers' processes that are online.
    """
    shards = max(MIN_SHARDS, SHARDS_PER_PROCESS * processes)
    return min(most, max(MIN_SHARD_IMAGES, -(-images // shards)))
