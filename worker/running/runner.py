"""Runs a job from its message to its end: claims it, runs its kind's handler under a lease, records the outcome."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

from kombu.exceptions import OperationalError
from redis import RedisError

from shared.errors import GlassboxError, NotFound, StorageFull, Unavailable
from shared.jobs import Blocked, Claim, Job, JobStore, Kind, Progress, State
from shared.jobs.capacity.gauges import room, volume_full
from shared.jobs.capacity.memory_remedies import REMEDIES
from shared.jobs.files import JobFiles, close
from shared.jobs.outcome import JobError, Metrics, Result
from shared.jobs.task_queue import TaskQueue
from shared.runtime import log_context
from shared.runtime.redis_faults import OTHER, RepeatedWarnings, explained, fault_of
from shared.runtime.settings import Settings
from shared.runtime.sizes import in_words
from shared.storage.volume import Volume
from worker.running.heartbeat import LeaseLost, ShutdownRequested
from worker.running.lease import Cancelled, HandsOver, Lease, TimedOut
from worker.running.shutdown import ShutdownRequest

log = logging.getLogger(__name__)

T = TypeVar("T")

PAUSE_SECONDS = 0.2  # between two attempts to reach Redis
CLAIM_SECONDS = 1.0  # between two attempts to claim a job
LONGEST_BACKOFF_SECONDS = 300.0


@dataclass(frozen=True)
class JobOutcome:
    """The end of a job, as its record shows it."""

    state: State
    progress: Progress | None = None
    metrics: Metrics | None = None
    result: Result | None = None
    error: JobError | None = None

    @classmethod
    def failed(cls, code: str, detail: str) -> JobOutcome:
        """Return the outcome of a job that an error ended."""
        return cls(State.FAILED, error={"code": code, "detail": detail})

    @classmethod
    def timed_out(cls, job: Job) -> JobOutcome:
        """Return the outcome of a job that ran for longer than it may."""
        return cls.failed("timeout", f"the job ran for longer than its {job.timeout_seconds:g} seconds")


@dataclass(frozen=True)
class Released:
    """The job is unfinished: it returns to the queue after `after_seconds`, with `failures` added to its count.

    blocked: the reason, if it waits for space on the volume. hands_over: whether it leaves its process to another job.
    """

    after_seconds: float = 0.0
    failures: int = 0
    blocked: Blocked | None = None
    hands_over: bool = False


class JobHandler(Protocol):
    """The work of one kind of job."""

    def __call__(self, job: Job, lease: Lease) -> JobOutcome:
        """Do the job; call `lease.check()` often, and propagate what it raises after the work is saved."""


class Runner:
    """Runs jobs by their ids, one at a time."""

    def __init__(
        self,
        jobs: JobStore,
        files: JobFiles,
        task_queue: TaskQueue,
        handlers: Mapping[Kind, JobHandler],
        settings: Settings,
        shutdown: ShutdownRequest,
        owner: str,
    ) -> None:
        self._volume = Volume(settings.volume)
        self._jobs = jobs
        self._files = files
        self._task_queue = task_queue
        self._handlers = handlers
        self._settings = settings
        self._shutdown = shutdown
        self._owner = owner

    def run(self, job_id: str, kind: Kind | None = None) -> None:
        """Do the job that is next in the queue of the message's job; without a queued job, a message is a no-op.

        kind: that of the message's job; by default, it is read from its record.
        """
        try:
            claim = self._claim(job_id, kind)
        except ShutdownRequested:  # maintenance sends the message again, to another worker
            return
        if claim is None:
            log.info("job %s: nothing to do, no job of its queue may start", job_id)
            return
        job = claim.job
        with log_context.bound(job_id=job.id, request_id=job.request_id, key=job.key):
            self._run(claim)
        with suppress(RedisError, OperationalError):  # maintenance sends it later
            if (held_back := self._jobs.held_back(job.kind)) is not None and not self._task_queue.waiting(job.kind):
                self._task_queue.send(job.kind, held_back)

    def _claim(self, job_id: str, kind: Kind | None) -> Claim | None:
        """Claim the next job; retry while Redis refuses: the message is consumed, and would be resent much later.

        Raises `ShutdownRequested` if this worker shuts down first.
        """
        return self._until_redis_responds(
            lambda: self._jobs.claim_next(job_id, self._owner, kind), f"job {job_id} cannot start yet"
        )

    def _until_redis_responds(self, operation: Callable[[], T], problem: str) -> T:
        """Retry an operation while Redis does not respond or refuses it; raises `ShutdownRequested` at a shutdown."""
        logged = ""
        while True:
            try:
                return operation()
            except RedisError as error:
                fault = fault_of(error)
                if fault is OTHER:  # not a temporary state of Redis
                    raise
                if fault.code != logged:
                    logged = fault.code
                    log.warning("%s: %s", problem, explained(error))
                if self._shutdown.wait(CLAIM_SECONDS):
                    raise ShutdownRequested from error

    def _run(self, claim: Claim) -> None:
        job = claim.job
        log.info("job %s: %s, attempt %d", job.id, job.kind, job.attempt)
        try:
            with Lease(self._jobs, claim, self._settings, self._shutdown) as lease:
                end = self._work(job, lease)
                if isinstance(end, Released):
                    self._requeue(claim, end, lease)
                else:
                    self._finish(claim, end, lease)
        except LeaseLost:  # without the heartbeat, which would end this process, as it reports no steps
            log.warning("job %s: the lease of attempt %d was lost", job.id, job.attempt)
            self._requeue_lost(claim)

    def _requeue_lost(self, claim: Claim) -> None:
        """Requeue a job whose lease this process could not renew; if others have done so, correct the count of crashes.

        Waits until Redis responds: until then, this process has nothing else to do.
        """
        job = claim.job
        try:
            state = self._until_redis_responds(
                lambda: self._jobs.release(claim), f"job {job.id} cannot be requeued yet"
            )
        except (ShutdownRequested, RedisError) as error:  # maintenance requeues it, and counts a crash
            log.warning("job %s: not requeued: %r", job.id, error)
            return
        if state is State.QUEUED:
            with suppress(RedisError, OperationalError):  # maintenance sends it later
                self._task_queue.send_first(job.kind, job.id)
        elif state is State.CANCELLED:
            with suppress(OSError, StorageFull, NotFound, RedisError):  # maintenance writes it later
                close(self._jobs, self._files, job.id)

    def _work(self, job: Job, lease: Lease) -> JobOutcome | Released:
        """Run the handler; decide for each error whether it ends the job, is retried, or is not the job's failure."""
        try:
            if not self._files.has(job.id):
                return JobOutcome.failed("not_accepted", "its submission ended in an error, so nothing was done")
            return self._handlers[job.kind](job, lease)
        except LeaseLost:
            raise
        except Cancelled:
            return JobOutcome(State.CANCELLED)
        except TimedOut:
            return JobOutcome.timed_out(job)
        except ShutdownRequested:
            return Released()
        except HandsOver:
            return Released(hands_over=True)
        except StorageFull as error:
            log.warning("job %s: %s; it waits for space", job.id, error.detail)
            return Released(_backoff(job.attempt), blocked=self._blocked())
        except RedisError as error:
            if fault_of(error) is OTHER:
                return self._try_again(job, error)
            log.warning("job %s: %s; trying again later", job.id, explained(error))
            return Released(_backoff(job.attempt))
        except (OSError, Unavailable, MemoryError) as error:
            return self._try_again(job, error)
        except GlassboxError as error:
            return JobOutcome.failed(error.code, error.detail)
        except Exception as error:
            log.exception("job %s: attempt %d failed", job.id, job.attempt)
            return self._try_again(job, error)

    def _try_again(self, job: Job, error: Exception) -> JobOutcome | Released:
        if job.failures + 1 < self._settings.max_tries:
            log.warning("job %s: %s: %s; trying again later", job.id, type(error).__name__, error)
            return Released(_backoff(job.failures + 1), failures=1)
        if isinstance(error, MemoryError):
            detail = f"out of memory: {str(error) or 'an allocation failed'}, {self._settings.max_tries} times"
            return JobOutcome.failed("out_of_memory", f"{detail}; {REMEDIES[job.kind]}")
        if isinstance(error, Unavailable):  # such as an object store, whose error says what to do
            return JobOutcome.failed(error.code, f"{error.detail}; the job was tried {self._settings.max_tries} times")
        detail = f"{type(error).__name__}: {error}; the worker's log has more"
        return JobOutcome.failed("internal_error", f"failed {self._settings.max_tries} times; the last error: {detail}")

    def _blocked(self) -> Blocked:
        """Return the free space on the volume, with the error that the job's record shows."""
        free = room(self._volume)
        amount = f": {in_words(free)} free, which is less than this job needs" if free else ""
        fault = volume_full(amount)
        return Blocked(fault.code, fault.detail, free)

    def _finish(self, claim: Claim, outcome: JobOutcome, lease: Lease) -> None:
        job = claim.job
        lease.flush()
        end = (outcome.state, outcome.progress, outcome.metrics, outcome.result, outcome.error)
        if not retry_until_lease_lost(lambda: self._jobs.finish(claim, *end), lease):
            raise LeaseLost
        log.info("job %s: %s", job.id, outcome.state)
        self._close(job, lease)

    def _requeue(self, claim: Claim, released: Released, lease: Lease) -> None:
        job = claim.job
        lease.flush()
        state = retry_until_lease_lost(
            lambda: self._jobs.release(
                claim, released.after_seconds, released.failures, released.blocked, hands_over=released.hands_over
            ),
            lease,
        )
        if state is None:
            raise LeaseLost
        log.info("job %s: released; it is now %s", job.id, state)
        if state is State.CANCELLED:
            self._close(job, lease)
        elif not released.after_seconds:
            self._send(job, released)

    def _send(self, job: Job, released: Released) -> None:
        """Send the job's message, unless a job that takes turns finds one for each job of its queue there.

        Maintenance sends its message, too, in each of its turns, so the messages would become more and more.
        """
        try:
            enough = released.hands_over and self._task_queue.waiting(job.kind) >= self._jobs.in_line(job.kind)
            if not enough:
                self._task_queue.send_first(job.kind, job.id)
        except (RedisError, OperationalError) as error:
            log.warning("job %s: its message is sent later: %s", job.id, explained(error))  # by maintenance

    def _close(self, job: Job, lease: Lease) -> None:
        try:
            retry_until_lease_lost(lambda: close(self._jobs, self._files, job.id), lease)
        except (OSError, GlassboxError) as error:  # the record has the outcome; maintenance writes it later
            log.warning("job %s: could not write its outcome to the volume: %s", job.id, error)


def retry_until_lease_lost(operation: Callable[[], T], lease: Lease) -> T:
    """Retry an operation on Redis while this worker holds its lease; raises `LeaseLost` after that."""
    warnings = RepeatedWarnings(log)
    while True:
        try:
            return operation()
        except (RedisError, OperationalError) as error:
            lease.step()
            if lease.seconds_until_lost < 0:
                raise LeaseLost from error
            warnings.warn("an operation on Redis is retried", error)
            time.sleep(PAUSE_SECONDS)


def _backoff(tries: int) -> float:
    """Return the seconds to wait: doubled with each try, with jitter, so that many jobs do not return at once."""
    seconds = 2.0 ** min(tries, 16)  # a volume may be full for thousands of tries, and a float would overflow
    return random.uniform(0.5, 1.0) * min(seconds, LONGEST_BACKOFF_SECONDS)  # noqa: S311 - no secret
