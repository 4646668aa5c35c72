"""What keeps the jobs going whatever dies: on every worker host, every few seconds, and nowhere in one place only."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import suppress

from kombu.exceptions import OperationalError
from redis import RedisError

from shared.errors import Conflict, GlassboxError, NotFound
from shared.jobs import Job, JobStore, State
from shared.jobs.capacity import LEAST_SPACE, room
from shared.jobs.files import JobFiles, close, rebuild
from shared.jobs.task_queue import QUEUES, TaskQueue
from shared.runtime.redis_faults import explained, fault_of
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from worker.running.memory_kills import MemoryKills

log = logging.getLogger(__name__)

TERMINAL = tuple(state for state in State if state.is_terminal)


class Maintenance:
    """Rescues jobs from lost workers, sends lost messages again, rebuilds lost records, collects what is old.

    messages_lost: whether a worker may have died with messages that it had taken, as the one before this may have.

    Several hosts may do it at once: each step is atomic, and a job that two hosts send twice runs once.
    """

    def __init__(
        self,
        jobs: JobStore,
        files: JobFiles,
        task_queue: TaskQueue,
        settings: Settings,
        kills: MemoryKills | None = None,
        *,
        messages_lost: bool = False,
    ) -> None:
        self._volume = Volume(settings.volume)
        self._kills = kills
        self._messages_lost = messages_lost
        self._unsent: dict[str, Job] = {}
        self._jobs = jobs
        self._files = files
        self._task_queue = task_queue
        self._retention_ms = settings.retention_seconds * 1000

    def tick(self) -> None:
        """Do what is to be done now; what Redis or the volume refuses is done at a later call."""
        try:
            self._notice_refusal()
            if self._kills is not None:
                self._kills.note()
            self._rebuild()
            self._rescue()
            self._wake()
            self._send()
            self._close()
        except (RedisError, OperationalError) as error:
            log.warning("maintenance: %s", explained(error))
        except (OSError, GlassboxError) as error:
            log.warning("maintenance: %s", error)

    def collect(self) -> None:
        """Remove the records and files of jobs that ended long ago, by Redis's clock; never a version."""
        try:
            oldest = self._jobs.now() - self._retention_ms
            for state in TERMINAL:
                for job in self._jobs.newest_first(state):
                    if job.finished_at is not None and job.finished_at < oldest:
                        self._collect(job)
        except RedisError as error:
            log.warning("maintenance: %s", explained(error))
        except OSError as error:
            log.warning("maintenance: %s", error)

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
                log.warning("maintenance: Redis had lost its records; %d were rebuilt from the volume", count)

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
        """Send the messages that are due; one that Redis refuses is sent at the next call, not when it is due again."""
        if not self._unsent:
            self._unsent = {job.id: job for job in self._jobs.due()}
        for job in list(self._unsent.values()):
            self._task_queue.send(job.kind, job.id)
            del self._unsent[job.id]

    def _notice_refusal(self) -> None:
        """Raise Redis's error if it accepts no change; when it does again, send what was lost meanwhile."""
        try:
            self._jobs.check_writable()
        except RedisError as error:
            self._messages_lost = self._messages_lost or fault_of(error).refuses
            raise
        if self._messages_lost and self._messages_are_missing():
            self._jobs.hasten()
        self._messages_lost = False

    def _messages_are_missing(self) -> bool:
        """Whether a queue has fewer messages than queued jobs; more than enough must not pile up there."""
        queued: Counter[str] = Counter()
        messages = {}
        for kind, queue in QUEUES.items():
            queued[queue] += self._jobs.waiting(kind)
            messages[queue] = self._task_queue.waiting(kind)
        return any(messages[queue] < queued[queue] for queue in messages)

    def _wake(self) -> None:
        """Let the jobs go on that wait for room on the volume, if there is more than when they gave up."""
        if not self._jobs.are_blocked():
            return
        for job_id in self._jobs.wake(room(self._volume) - LEAST_SPACE + 1):
            log.info("job %s: there is room on the volume, it goes on", job_id)
