"""What a job's record and its folder say about the work: pinned when it was submitted, read by the worker."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Invert = Literal["never", "always", "auto"]


SHARES = 16
"""Shards that an archive is cut into at the least, so that there is something to share out among processes …"""

FEWEST = 256
"""… unless they would have fewer images than this: each costs some milliseconds, most of them the disk's."""


class TrainingSpecification(BaseModel):
    """Train `configuration` on `dataset`, publish it under `model`, and let the alias `promote` point to it."""

    model_config = ConfigDict(frozen=True)

    model: str
    dataset: str
    configuration: dict[str, Any]
    promote: str | None = None


class ReproductionSpecification(BaseModel):
    """Train again what `model` at `version` was trained on, and see whether the same bits come out.

    All else is in the version's manifest, which never changes; `dataset` is here for who asks what a job needs.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    version: int
    dataset: str


class BatchSpecification(BaseModel):
    """Classify the job's archive with `model` at `version`; `passed_over` names in it were no files to classify.

    How the archive is cut into shards is pinned too: else a shard's number would mean one thing to a worker and another
    to the next.
    """

    model_config = ConfigDict(frozen=True)

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
