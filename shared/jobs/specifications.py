"""What a job's record and its folder say about the work: pinned when it was submitted, read by the worker."""

from __future__ import annotations

from typing import Literal, Self, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import Invalid
from shared.json_types import JsonObject

Invert = Literal["never", "always", "auto"]


SHARES = 16
"""Shards that an archive is cut into at the least, so that there is something to share out among processes …"""

FEWEST = 256
"""… unless they would have fewer images than this: each costs some milliseconds, most of them the disk's."""


class Specification(BaseModel):
    """What the specifications of all kinds of jobs have in common.

    A job may outlive the version of the code that took it, and meet an older one after a rollback. What is not asked
    for is not written, so that a field that the older version does not know is there only where the job needs it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def of(cls, pinned: JsonObject) -> Self:
        """Read what `pinned` gave, to do it; raises `Invalid` if it has a field that this version cannot do."""
        try:
            return cls.model_validate(pinned)
        except ValidationError as error:
            raise unknown(error) from error

    @classmethod
    def described_by(cls, pinned: JsonObject) -> Self:
        """Read what `pinned` gave, to show a job: fields of another version are ignored, and missing ones not set."""
        return cast("Self", cls.model_construct(**pinned))

    def pinned(self) -> JsonObject:
        """The specification as a job's record and its folder have it."""
        return self.model_dump(mode="json", exclude_defaults=True)


def unknown(error: Exception) -> Invalid:
    """The refusal to do a job that asks for what this version of the code does not know."""
    detail = "the job was taken by another version of Glassbox and asks for what this one cannot do"
    return Invalid("specification_unknown", f"{detail}; `retry` runs it when the other version is back: {error}")


class TrainingSpecification(Specification):
    """Train `configuration` on `dataset`, publish it under `model`, and let the alias `promote` point to it."""

    model: str
    dataset: str
    configuration: JsonObject
    promote: str | None = None


class ReproductionSpecification(Specification):
    """Train again what `model` at `version` was trained on, and see whether the same bits come out.

    All else is in the version's manifest, which never changes; `dataset` is here for who asks what a job needs.
    """

    model: str
    version: int
    dataset: str


class BatchSpecification(Specification):
    """Classify the job's archive with `model` at `version`; `passed_over` names in it were no files to classify.

    How the archive is cut into shards is pinned too: else a shard's number would mean one thing to a worker and another
    to the next.
    """

    model: str
    version: int
    top_k: int
    invert: Invert
    error_threshold: float
    passed_over: int = 0
    shard_images: int
    shard_bytes: int


def shard_size(images: int, most: int) -> int:
    """How many images a shard of an archive with so many has: `most`, or fewer to make more shards."""
    return min(most, max(FEWEST, -(-images // SHARES)))
