"""What can go wrong, as one tree.

GlassboxError
├── NotReachable   the server does not answer
├── Refused        the server answered with a problem; `code`, `status` and `problem` tell which
└── JobFailed      a job ended without success; `job` tells how
"""

from __future__ import annotations

from typing import Any


class GlassboxError(Exception):
    """The root."""


class NotReachable(GlassboxError):
    """The server does not answer."""


class Refused(GlassboxError):
    """The server answered with a problem (RFC 9457)."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(f"{problem['title']}: {problem['detail']}")
        self.problem = problem
        self.status: int = problem["status"]
        self.code: str = problem["code"]


class JobFailed(GlassboxError):
    """A job ended without success."""

    def __init__(self, job: dict[str, Any]) -> None:
        error = job["error"] or {"detail": "no error was recorded"}
        super().__init__(f"job {job['id']} is {job['state']}: {error['detail']}")
        self.job = job
