"""The service itself: its readiness and version, its presets, and what the API key allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reason:
    """A reason why the service is not ready. code: stable, for programs. detail: a sentence for people."""

    code: str
    detail: str


@dataclass(frozen=True)
class Readiness:
    """Whether the service accepts jobs and uploads, and the reasons if not.

    workers: number of online workers by queue. revision: commit of the server's sources, if it is known.
    """

    status: str
    redis: str
    volume: str
    workers: dict[str, int]
    version: str
    revision: str | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Preset:
    """A preset of a training. configuration: its values; None for `auto`, which chooses them for the data set."""

    name: str
    description: str
    configuration: dict[str, Any] | None


@dataclass(frozen=True)
class TrainingEstimate:
    """What a training needs, estimated before it starts.

    configuration: all settings, the preset's included; with `auto`, those of the first of the `candidates`. parameters,
    operations (multiply-adds): of the largest candidate. memory_limit_bytes: None if the server does not know it.
    seconds: from the least to the most, by `method`.
    """

    configuration: dict[str, Any]
    candidates: int
    parameters: int
    memory_bytes: int
    memory_limit_bytes: int | None
    operations: int
    seconds: tuple[float, ...]
    method: str


@dataclass(frozen=True)
class Access:
    """What this client may do. key: the name of its API key, None if the server requires none."""

    key_required: bool
    key: str | None
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Queue:
    """A queue: its waiting jobs, the age of the oldest one in seconds, and the processes of its online workers."""

    queue: str
    jobs: int
    oldest_seconds: float
    processes: int
    busy: int
    free: int


@dataclass(frozen=True)
class Worker:
    """The online workers of one queue on one host. busy and free: numbers of their processes."""

    host: str
    queue: str
    workers: int
    processes: int
    busy: int
    free: int


@dataclass(frozen=True)
class Redis:
    """Redis: why it accepts no new job, and its memory in bytes; None if unknown or unlimited."""

    fault: Reason | None
    memory_used: int | None
    memory_limit: int | None


@dataclass(frozen=True)
class Volume:
    """The volume: why it accepts no job, and its space in bytes; None if unknown or unlimited."""

    fault: Reason | None
    free: int | None
    total: int | None
    free_inodes: int | None
    inodes: int | None


@dataclass(frozen=True)
class System:
    """The state of the service. jobs: their numbers by state. What is read from Redis is None if it does not answer."""

    version: str
    revision: str | None
    redis: Redis
    volume: Volume
    jobs: dict[str, int] | None
    queues: tuple[Queue, ...] | None
    workers: tuple[Worker, ...] | None
    webhook_dispatchers: int | None
