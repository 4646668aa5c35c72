"""A job: an immutable value that is read from a Redis hash, the job's record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.jobs.outcome import JobError, LiveFinding, Metrics, Result, Waiting
from shared.jobs.states import State
from shared.json_types import AS_WRITTEN, JsonObject


class Kind(StrEnum):
    """What a job does."""

    TRAINING = "training"
    BATCH = "batch"
    REPRODUCTION = "reproduction"
    EVALUATION = "evaluation"


Priority = Literal["interactive", "batch"]
"""Which queued jobs start first: the interactive ones."""


class Progress(BaseModel):
    """How far a job is: `done` of `total` epochs or images, and an estimate of the seconds until its end."""

    model_config = ConfigDict(frozen=True)

    done: int = 0
    total: int
    unit: str
    eta_seconds: float | None = None


class Job(BaseModel):
    """One job. Times are milliseconds since 1970 by Redis's clock.

    `request` is what the user sent. `specification` is what the worker needs, pinned when the job was submitted (a data
    set's id, a model's version). `attempt` counts the claims; with the owner it is the fencing token: only the newest
    claim may write. `crashes` counts the claims whose worker was lost since the job
    last made progress, `failures` the transient errors, `retries` the
    retries that a user requested. The URL `webhook` receives the job's end. `request_id` is the request that submitted
    the job, `key` the name of its API key, `traceparent` its trace. `waiting` says why a queued job cannot start.
    `waiting_since` is the time since when each attempt has ended for such a reason. Both are cleared when the job can
    run again. `served` has the ms of processes that it has used, `waited_ms` those between its turns, `archive_bytes`
    the size of its archive. `diagnosis` has the findings that a training had while it ran, each code once.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    kind: Kind
    state: State = State.QUEUED
    model: str
    request_id: str | None = None
    key: str | None = None
    traceparent: str | None = None
    created_at: int = 0
    started_at: int | None = None
    finished_at: int | None = None
    claimed_at: int | None = None
    timeout_seconds: float | None = None
    webhook: str | None = None
    attempt: int = 0
    crashes: int = 0
    failures: int = 0
    retries: int = 0
    owner: str | None = None
    priority: Priority = "batch"
    archive_bytes: int | None = None
    served: int = 0
    waited_ms: int = 0
    waiting: Annotated[Waiting, AS_WRITTEN] | None = None
    waiting_since: int | None = None
    progress: Progress
    diagnosis: tuple[Annotated[LiveFinding, AS_WRITTEN], ...] = ()
    metrics: Annotated[Metrics, AS_WRITTEN] = Field(default_factory=Metrics)
    request: Annotated[JsonObject, AS_WRITTEN]
    specification: Annotated[JsonObject, AS_WRITTEN]
    result: Annotated[Result, AS_WRITTEN] | None = None
    error: Annotated[JobError, AS_WRITTEN] | None = None

    @classmethod
    def from_hash(cls, fields: Mapping[str, str]) -> Job:
        """Read a record from its Redis hash: text fields, and JSON for structured ones."""
        return cls.model_validate(
            {name: json.loads(text) if name in STRUCTURED else text for name, text in fields.items()}
        )

    def to_hash(self) -> dict[str, str]:
        """Return the record as the fields of a Redis hash, without those that are None."""
        return encode_fields(self.model_dump(mode="json", exclude_none=True))


STRUCTURED = frozenset({"waiting", "progress", "diagnosis", "metrics", "request", "specification", "result", "error"})


def encode_fields(fields: Mapping[str, object]) -> dict[str, str]:
    """Encode fields of a record as the texts that `Job.from_hash` reads."""
    return {name: compact_json(value) if name in STRUCTURED else str(value) for name, value in fields.items()}


def compact_json(value: object) -> str:
    """Encode a value as JSON in few bytes; raises ValueError for NaN and infinity."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
