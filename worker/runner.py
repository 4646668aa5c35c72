"""From a message to a job's end: claim it, run the step of its kind under a lease, write down how it ended."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from shared.errors import GlassboxError
from shared.jobs import Job, JobStore, Kind, Progress, State
from shared.settings import Settings
from worker.lease import Cancelled, Lease, LeaseLost

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How a job's work ended, as its record will show it."""

    state: State
    progress: Progress | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None

    @classmethod
    def failed(cls, code: str, detail: str) -> Outcome:
        """The end of a job that an error ended."""
        return cls(State.FAILED, error={"code": code, "detail": detail})

    def fields(self) -> dict[str, Any]:
        """What to write into the record: nothing is overwritten by what is not known."""
        known = {"metrics": self.metrics, "result": self.result, "error": self.error}
        if self.progress is not None:
            known["progress"] = self.progress.model_dump()
        return {name: value for name, value in known.items() if value}


class Step(Protocol):
    """The work of one kind of job."""

    def __call__(self, job: Job, lease: Lease) -> Outcome:
        """Do the job; calls `lease.check()` often, and lets what it raises pass."""


class Runner:
    """Runs jobs by their ids, one at a time."""

    def __init__(self, jobs: JobStore, steps: Mapping[Kind, Step], settings: Settings, owner: str) -> None:
        self._jobs = jobs
        self._steps = steps
        self._settings = settings
        self._owner = owner

    def run(self, job_id: str) -> None:
        """Do the job if it is still to be done; a message that was seen before ends here as a no-op."""
        claim = self._jobs.claim(job_id, self._owner)
        if claim is None:
            log.info("job %s: nothing to do, it is not queued", job_id)
            return
        job = claim.job
        log.info("job %s: %s, attempt %d", job.id, job.kind, job.attempt)
        with Lease(self._jobs, claim, self._settings.heartbeat_seconds, self._settings.lease_seconds) as lease:
            try:
                outcome = self._outcome(job, lease)
            except LeaseLost:
                log.warning("job %s: the lease of attempt %d was lost", job.id, job.attempt)
                return
        if self._jobs.finish(claim, outcome.state, **outcome.fields()):
            log.info("job %s: %s", job.id, outcome.state)
        else:
            log.warning("job %s: its end came too late, the lease was lost", job.id)

    def _outcome(self, job: Job, lease: Lease) -> Outcome:
        try:
            return self._steps[job.kind](job, lease)
        except LeaseLost:
            raise
        except Cancelled:
            return Outcome(State.CANCELLED)
        except GlassboxError as error:
            return Outcome.failed(error.code, error.detail)
        except Exception as error:
            log.exception("job %s: failed", job.id)
            return Outcome.failed("internal_error", f"{type(error).__name__}: {error}; the worker's log has more")
