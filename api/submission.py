"""Submitting a job: written down on the volume, then in Redis, then sent; accepted only when all three are done."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from kombu.exceptions import OperationalError
from redis import RedisError

from shared.archives import Plan
from shared.broker import QUEUES, Outbox
from shared.job_files import JobFiles
from shared.jobs import Job, JobStore


class Submission:
    """Accepts jobs, or leaves nothing of them behind."""

    def __init__(self, jobs: JobStore, outbox: Outbox, files: JobFiles) -> None:
        self._jobs = jobs
        self._outbox = outbox
        self._files = files

    def submit(self, job: Job, archive: Path | None = None, plan: Plan | None = None) -> tuple[Job, list[str]]:
        """Accept the job, with its archive and the plan of it if it has one; returns its record, and warnings."""
        warnings = self._warnings(job)
        try:
            self._files.begin(job, archive, plan)
            self._jobs.create(job)
            accepted = self._jobs.get(job.id)
            self._outbox.send(job.kind, job.id)  # last: nothing can fail behind it
        except BaseException as error:
            self._files.remove(job.id)  # what the volume does not know is not run, whatever Redis has of it
            if not isinstance(error, RedisError | OperationalError):  # those would make the user wait once more
                with suppress(RedisError):
                    self._jobs.discard(job.id)
            raise
        return accepted, warnings

    def _warnings(self, job: Job) -> list[str]:
        warnings = []
        if not self._outbox.workers_online(job.kind):
            warnings.append(f"no worker is online for the queue {QUEUES[job.kind]!r}; the job waits until one is")
        if job.webhook is not None and not self._outbox.couriers_online():
            warnings.append("no courier is online; the webhook is told of the job's end when one is")
        return warnings
