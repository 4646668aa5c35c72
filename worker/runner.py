"""From a message to a job's end: claim it, run the step of its kind under a lease, write down how it ended."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from kombu.exceptions import OperationalError
from redis import RedisError

from shared import log_context
from shared.broker import Outbox
from shared.errors import GlassboxError, NotFound, StorageFull, Unavailable
from shared.job_files import JobFiles, close
from shared.jobs import Claim, Job, JobStore, Kind, Progress, State
from shared.settings import Settings
from worker.drain import Drain
from worker.heartbeat import Drained, LeaseLost
from worker.lease import Cancelled, Lease, TimedOut

log = logging.getLogger(__name__)

T = TypeVar("T")

PAUSE_SECONDS = 0.2  # between two tries to reach Redis
LONGEST_BACKOFF_SECONDS = 300.0


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


@dataclass(frozen=True)
class GivenBack:
    """The job's work is not over: it goes back to the queue, after a time, with so many failures to count."""

    after_seconds: float = 0.0
    failures: int = 0


class Step(Protocol):
    """The work of one kind of job."""

    def __call__(self, job: Job, lease: Lease) -> Outcome:
        """Do the job; calls `lease.check()` often, and lets what it raises pass once its work is saved."""


class Runner:
    """Runs jobs by their ids, one at a time."""

    def __init__(
        self,
        jobs: JobStore,
        files: JobFiles,
        outbox: Outbox,
        steps: Mapping[Kind, Step],
        settings: Settings,
        drain: Drain,
        owner: str,
    ) -> None:
        self._jobs = jobs
        self._files = files
        self._outbox = outbox
        self._steps = steps
        self._settings = settings
        self._drain = drain
        self._owner = owner

    def run(self, job_id: str) -> None:
        """Do the job if it is still to be done; a message that was seen before ends here as a no-op."""
        claim = self._jobs.claim(job_id, self._owner)
        if claim is None:
            log.info("job %s: nothing to do, it is not queued", job_id)
            return
        job = claim.job
        with log_context.bound(job_id=job.id, request_id=job.request_id, key=job.key):
            self._run(claim)

    def _run(self, claim: Claim) -> None:
        job = claim.job
        log.info("job %s: %s, attempt %d", job.id, job.kind, job.attempt)
        with Lease(self._jobs, claim, self._settings, self._drain) as lease:
            try:
                end = self._work(job, lease)
                if isinstance(end, GivenBack):
                    self._give_back(claim, end, lease)
                else:
                    self._finish(claim, end, lease)
            except LeaseLost:
                log.warning("job %s: the lease of attempt %d was lost", job.id, job.attempt)

    def _work(self, job: Job, lease: Lease) -> Outcome | GivenBack:
        """Run the step; decides for each error whether it ends the job, may pass, or is none of the job's."""
        try:
            if not self._files.has(job.id):
                return Outcome.failed("not_accepted", "its submission ended in an error, so nothing was done")
            return self._steps[job.kind](job, lease)
        except LeaseLost:
            raise
        except Cancelled:
            return Outcome(State.CANCELLED)
        except TimedOut:
            return Outcome.failed("timeout", f"the job ran for longer than its {job.timeout_seconds:g} seconds")
        except Drained:
            return GivenBack()
        except StorageFull:
            log.warning("job %s: the volume is full, trying again later", job.id)
            return GivenBack(_backoff(job.attempt))
        except (OSError, RedisError, Unavailable, MemoryError) as error:
            return self._try_again(job, error)
        except GlassboxError as error:
            return Outcome.failed(error.code, error.detail)
        except Exception as error:
            log.exception("job %s: attempt %d failed", job.id, job.attempt)
            return self._try_again(job, error)

    def _try_again(self, job: Job, error: Exception) -> Outcome | GivenBack:
        if job.failures + 1 < self._settings.max_tries:
            log.warning("job %s: %s: %s; trying again later", job.id, type(error).__name__, error)
            return GivenBack(_backoff(job.failures + 1), failures=1)
        detail = f"{type(error).__name__}: {error}; the worker's log has more"
        return Outcome.failed("internal_error", f"failed {self._settings.max_tries} times, at last with {detail}")

    def _finish(self, claim: Claim, outcome: Outcome, lease: Lease) -> None:
        job = claim.job
        lease.flush()
        if not insist(lambda: self._jobs.finish(claim, outcome.state, **outcome.fields()), lease):
            raise LeaseLost
        log.info("job %s: %s", job.id, outcome.state)
        self._close(job, lease)

    def _give_back(self, claim: Claim, given_back: GivenBack, lease: Lease) -> None:
        job = claim.job
        lease.flush()
        state = insist(lambda: self._jobs.release(claim, given_back.after_seconds, given_back.failures), lease)
        if state is None:
            raise LeaseLost
        log.info("job %s: given back, it is %s", job.id, state)
        if state is State.CANCELLED:
            self._close(job, lease)
        elif not given_back.after_seconds:
            insist(lambda: self._outbox.send(job.kind, job.id), lease)

    def _close(self, job: Job, lease: Lease) -> None:
        try:
            insist(lambda: close(self._jobs, self._files, job.id), lease)
        except (OSError, StorageFull, NotFound) as error:  # the record has the end; the volume's copy is for its loss
            log.warning("job %s: its end is not on the volume: %s", job.id, error)


def insist(step: Callable[[], T], lease: Lease) -> T:
    """Do what needs Redis, again and again while this worker may still write; raises `LeaseLost` after that."""
    while True:
        try:
            return step()
        except (RedisError, OperationalError) as error:
            if lease.seconds_until_lost < 0:
                raise LeaseLost from error
            log.warning("Redis does not answer (%s), trying again", error)
            time.sleep(PAUSE_SECONDS)


def _backoff(tries: int) -> float:
    """A time to wait: doubled with each try, with jitter, so that many jobs do not come back at once."""
    seconds = 2.0 ** min(tries, 16)  # a volume may be full for thousands of tries, and a float has an end
    return random.uniform(0.5, 1.0) * min(seconds, LONGEST_BACKOFF_SECONDS)  # noqa: S311 - no secret
