"""Readiness of the service: its dependencies, its workers and its version."""

from __future__ import annotations

from dataclasses import dataclass


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
