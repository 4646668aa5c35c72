"""What a job's record and its folder say about the work: pinned when it was submitted, read by the worker."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Invert = Literal["never", "always", "auto"]


class TrainingSpecification(BaseModel):
    """Train `configuration` on `dataset`, publish it under `model`, and let the alias `promote` point to it."""

    model_config = ConfigDict(frozen=True)

    model: str
    dataset: str
    configuration: dict[str, Any]
    promote: str | None = None


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
