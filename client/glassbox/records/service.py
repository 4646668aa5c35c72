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
class Access:
    """What this client may do. key: the name of its API key, None if the server requires none."""

    key_required: bool
    key: str | None
    scopes: tuple[str, ...]
