"""Submitting a job: written down on the volume, then in Redis, then sent; accepted only when all three are done."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from kombu.exceptions import OperationalError
from redis import RedisError

from api.requests.waiting import WaitingReasons
from shared.archives import ArchiveIndex
from shared.errors import NotFound, TooMany
from shared.jobs import Job, JobStore, Kind
from shared.jobs.files import JobFiles
from shared.jobs.outcome import Waiting
from shared.jobs.task_queue import QUEUES, TaskQueue
from shared.runtime import log_context
from shared.runtime.redis_faults import fault_of

FULL_SECONDS = 10  # to wait where a queue is full


class Submission:
    """Accepts jobs, or leaves nothing of them behind."""

    def __init__(
        self,
        jobs: JobStore,
        task_queue: TaskQueue,
        files: JobFiles,
        max_queued_jobs: int = 0,
        reasons: WaitingReasons | None = None,
    ) -> None:
        self._reasons = reasons
        self._jobs = jobs
        self._task_queue = task_queue
        self._files = files
        self._max_queued = max_queued_jobs

    def waiting(self, job: Job) -> Waiting | None:
        """Why the accepted job cannot start now; None if that cannot be read, for the job is accepted all the same."""
        with suppress(RedisError):
            return None if self._reasons is None else self._reasons.of(job)
        return None

    def refuse_if_full(self, kind: Kind) -> None:
        """Raise `TooMany` where as many jobs wait as may; to be asked before an upload is received, too."""
        if self._max_queued and self._jobs.waiting(kind) >= self._max_queued:
            detail = f"{self._max_queued} jobs wait in the queue {QUEUES[kind]!r} already; try again later"
            raise TooMany("queue_full", detail, FULL_SECONDS)

    def submit(self, job: Job, archive: Path | None = None, plan: ArchiveIndex | None = None) -> tuple[Job, list[str]]:
        """Accept the job, with its archive and the plan of it if it has one; returns its record, and warnings.

        A job of the same id may be there from a request that died before it was answered: then that is the one.
        """
        warnings = self._warnings(job)
        if (known := self._known(job.id)) is not None:
            return known, warnings
        self.refuse_if_full(job.kind)
        job = job.model_copy(update=origin())
        try:
            self._files.begin(job, archive, plan)
            self._jobs.create(job)
            accepted = self._jobs.get(job.id)
            self._task_queue.send(job.kind, job.id)  # last: nothing can fail behind it
        except BaseException as error:
            self._files.remove(job.id)  # what the volume does not know is not run, whatever Redis has of it
            silent = isinstance(error, RedisError | OperationalError) and not fault_of(error).refuses
            if not silent:  # a Redis that does not answer would make the user wait once more
                with suppress(RedisError):
                    self._jobs.discard(job.id)
            raise
        return accepted, warnings

    def _known(self, job_id: str) -> Job | None:
        if not self._files.has(job_id):
            return None
        try:
            return self._jobs.get(job_id)
        except NotFound:
            return None

    def _warnings(self, job: Job) -> list[str]:
        warnings = []
        if not self._task_queue.workers_online(job.kind):
            warnings.append(f"no worker is online for the queue {QUEUES[job.kind]!r}; the job waits until one is")
        if job.webhook is not None and not self._task_queue.dispatchers_online():
            warnings.append("no courier is online; the webhook is told of the job's end when one is")
        return warnings


def origin() -> dict[str, str]:
    """Which request a job comes from, and whose: its record has both, so that the worker's log can name them."""
    context = log_context.current()
    return {name: context[name] for name in ("request_id", "key", "traceparent") if name in context}
