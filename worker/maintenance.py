"""Periodic maintenance of the jobs: every worker host does it every few seconds, so it depends on no single host."""

from __future__ import annotations

import logging
from contextlib import suppress

from kombu.exceptions import OperationalError
from redis import RedisError

from shared.errors import Conflict, GlassboxError, NotFound
from shared.jobs import Job, JobStore, Kind
from shared.jobs.capacity.gauges import LEAST_SPACE, room
from shared.jobs.files import JobFiles, close, delete, rebuild
from shared.jobs.task_queue import TaskQueue
from shared.runtime.clock import since_boot
from shared.runtime.redis_faults import FULL, RepeatedWarnings, fault_of
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from worker.running.memory_kills import MemoryKills

log = logging.getLogger(__name__)

MOST_GAPS = 4  # in a row for which the workers get time: a machine may be suspended again at once
GRACE_SECONDS = 4.0  # besides the time between two heartbeats: one that waits for Redis fails first, after its timeout


class Maintenance:
    """Rescues jobs of lost workers, resends lost messages, rebuilds lost records, removes expired jobs.

    messages_lost: whether a worker that died, such as this worker's predecessor, may have held received messages.

    Several hosts may run it at once: each step is atomic, and a job with two messages runs once.
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
        self._index_is_checked = False  # an older version may have run since the last worker of this version
        self._unsent: dict[str, Job] = {}
        self._unreadable: set[str] = set()  # jobs whose record cannot be read, each reported once
        self._warnings = RepeatedWarnings(log)
        self._jobs = jobs
        self._files = files
        self._task_queue = task_queue
        self._retention_ms = settings.retention_seconds * 1000
        self._longest_gap = max(settings.lease_seconds / 2, 2 * settings.upkeep_seconds)
        self._grace_seconds = settings.heartbeat_seconds + GRACE_SECONDS
        self._ticked_at: float | None = None  # when Redis last accepted the maintenance's writes
        self._rescue_from: float | None = None
        self._gaps = 0

    def tick(self) -> None:
        """Do the maintenance that is due; what Redis or the volume refuses is retried at the next call.

        If the memory of Redis is full, jobs are still rescued, and ended ones are moved to the volume, which frees
        memory.
        """
        try:
            full = self._full()
            if self._kills is not None:
                self._kills.note()
            if full is None:
                self._rebuild()
            before = self._jobs.now()  # a suspension that begins after the check expires only leases that end later
            if self._may_rescue():
                self._rescue(before)
            self._close()
            if full is not None:
                raise full
            self._wake()
            self._send()
            self._send_held_back()
        except (RedisError, OperationalError) as error:
            self._warnings.warn("maintenance", error)
        except (OSError, GlassboxError) as error:
            log.warning("maintenance: %s", error)

    def collect(self) -> None:
        """Remove the records and files of jobs whose retention time is over, by Redis's clock; keep model versions."""
        try:
            oldest = self._jobs.now() - self._retention_ms
            for job_id in self._jobs.ended_before(oldest):
                self._collect(job_id)
        except RedisError as error:
            self._warnings.warn("maintenance", error)
        except OSError as error:
            log.warning("maintenance: %s", error)

    def _collect(self, job_id: str) -> None:
        with suppress(NotFound, Conflict):  # another host has removed it, or a user retries it
            delete(self._jobs, self._files, job_id)
            log.info("job %s: removed, its retention time is over", job_id)

    def _rebuild(self) -> None:
        if self._jobs.needs_rebuilding():
            count = rebuild(self._jobs, self._files)
            self._jobs.rebuilt()
            if count:
                log.warning("maintenance: Redis had lost its job records; %d were rebuilt from the volume", count)
        if self._jobs.begins_indexing(anyway=not self._index_is_checked):
            count = self._jobs.complete_index()
            if count:
                log.info("maintenance: corrected %d entries of the index that an older version had left", count)
        self._index_is_checked = True

    def _may_rescue(self) -> bool:
        """Return whether expired leases show that their workers were lost.

        After a gap in the maintenance, because Redis did not respond or this machine was suspended, the workers get the
        time to renew their leases; again, if the next gap comes before that is over.
        """
        now = since_boot()
        gap = 0.0 if self._ticked_at is None else now - self._ticked_at
        self._ticked_at = now
        if gap > self._longest_gap and self._gaps < MOST_GAPS:  # long gaps between all calls must not prevent rescues
            self._gaps += 1
            log.warning("maintenance: could not run for %.0f s; the workers get time to renew their leases", gap)
            self._rescue_from = now + self._grace_seconds
        if self._rescue_from is not None and now < self._rescue_from:
            return False
        self._rescue_from, self._gaps = None, 0
        return True

    def _rescue(self, by: int) -> None:
        for job in self._jobs.rescue_expired(by):
            log.warning("job %s: its worker was lost; it is now %s", job.id, job.state)
            if job.state.is_terminal:
                close(self._jobs, self._files, job.id)

    def _close(self) -> None:
        for job_id in self._jobs.unclosed():
            try:
                close(self._jobs, self._files, job_id)
            except NotFound:  # it was just deleted
                continue
            except GlassboxError as error:
                if job_id not in self._unreadable:
                    log.warning("job %s: its end cannot be written to the volume: %s", job_id, error)
                self._unreadable.add(job_id)

    def _send(self) -> None:
        """Send the messages that are due; keep those that Redis refuses for the next call."""
        if not self._unsent:
            self._unsent = {job.id: job for job in self._jobs.due()}
        for job in list(self._unsent.values()):
            send = self._task_queue.send_first if job.attempt else self._task_queue.send
            send(job.kind, job.id)
            del self._unsent[job.id]

    def _send_held_back(self) -> None:
        """Send a message for a job that may start again, after its API key had as many processes as it may."""
        for kind in (Kind.TRAINING, Kind.BATCH):
            held_back = self._jobs.held_back(kind)
            if held_back is not None and not self._task_queue.waiting(kind):
                self._task_queue.send(kind, held_back)

    def _full(self) -> RedisError | None:
        """Return Redis's error if its memory is full; once it accepts writes again, resend the messages that were lost.

        Raises the error if Redis refuses writes for another reason.
        """
        try:
            self._jobs.check_writable()
        except RedisError as error:
            fault = fault_of(error)
            self._messages_lost = self._messages_lost or fault.refuses
            if fault is FULL:
                return error
            raise
        if self._messages_lost:
            self._jobs.hasten(self._task_queue.sent())
        self._messages_lost = False
        return None

    def _wake(self) -> None:
        """Resume the jobs that wait for space on the volume, if it has more than when they stopped."""
        if not self._jobs.are_blocked():
            return
        for job_id in self._jobs.wake(room(self._volume) - LEAST_SPACE + 1):
            log.info("job %s: resumed, the volume has space again", job_id)
