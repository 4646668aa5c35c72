"""The service itself: whether it lives, what it needs, who works, and which version it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Readiness:
    """Whether Redis and the volume answer, how many workers are online for each queue, and the server's version.

    `revision` is the commit of the server's sources, if it is known.
    """

    status: str
    redis: str
    volume: str
    workers: dict[str, int]
    version: str
    revision: str | None = None
