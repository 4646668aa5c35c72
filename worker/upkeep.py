"""What keeps the jobs going whatever dies: on every worker host, every few seconds, and nowhere in one place only."""

from __future__ import annotations

import logging
from contextlib import suppress

from kombu.exceptions import OperationalError
from redis import RedisError

from shared.broker import Outbox
from shared.errors import Conflict, GlassboxError, NotFound
from shared.job_files import JobFiles, close, rebuild
from shared.jobs import Job, JobStore, State
from shared.settings import Settings

log = logging.getLogger(__name__)

TERMINAL = tuple(state for state in State if state.is_terminal)


class Upkeep:
    """Rescues jobs from lost workers, sends lost messages again, rebuilds lost records, collects what is old.

    Several hosts may do it at once: each step is atomic, and a job that two hosts send twice runs once.
    """

    def __init__(self, jobs: JobStore, files: JobFiles, outbox: Outbox, settings: Settings) -> None:
        self._jobs = jobs
        self._files = files
        self._outbox = outbox
        self._retention_ms = settings.retention_seconds * 1000

    def tick(self) -> None:
        """Do what is to be done now; leaves it to the next time where Redis does not answer."""
        try:
            self._rebuild()
            self._rescue()
            self._send()
            self._close()
        except (RedisError, OperationalError, OSError, GlassboxError) as error:
            log.warning("upkeep: %s", error)

    def collect(self) -> None:
        """Remove the records and files of jobs that ended long ago, by Redis's clock; never a version."""
        try:
            oldest = self._jobs.now() - self._retention_ms
            for state in TERMINAL:
                for job in self._jobs.newest_first(state):
                    if job.finished_at is not None and job.finished_at < oldest:
                        self._collect(job)
        except (RedisError, OSError) as error:
            log.warning("upkeep: %s", error)

    def _collect(self, job: Job) -> None:
        with suppress(NotFound, Conflict):  # another host was quicker, or somebody tries it again
            self._jobs.delete(job.id)
            self._files.remove(job.id)
            log.info("job %s: collected, it ended long ago", job.id)

    def _rebuild(self) -> None:
        if self._jobs.needs_rebuilding():
            count = rebuild(self._jobs, self._files)
            self._jobs.rebuilt()
            if count:
                log.warning("upkeep: Redis had lost its records; %d were rebuilt from the volume", count)

    def _rescue(self) -> None:
        for job in self._jobs.rescue_expired():
            log.warning("job %s: its worker was lost, it is %s now", job.id, job.state)
            if job.state.is_terminal:
                close(self._jobs, self._files, job.id)

    def _close(self) -> None:
        for job in self._jobs.unclosed():
            with suppress(NotFound):  # it was deleted at this moment
                close(self._jobs, self._files, job.id)

    def _send(self) -> None:
        for job in self._jobs.due():
            self._outbox.send(job.kind, job.id)
