"""The service itself: whether it lives, what it needs, who works, and which version it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """Why the service is not ready: a stable code for programs, a sentence for people."""

    code: str
    detail: str


@dataclass(frozen=True)
class Readiness:
    """Whether jobs and uploads are accepted, why not, how many workers are online for each queue, and the version.

    `revision` is the commit of the server's sources, if it is known.
    """

    status: str
    redis: str
    volume: str
    workers: dict[str, int]
    version: str
    revision: str | None = None
    reasons: tuple[Reason, ...] = ()
