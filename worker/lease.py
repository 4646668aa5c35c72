"""The lease of a running job, kept alive by a thread while the job works; it brings back whether to go on."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterable, Mapping
from contextvars import copy_context
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, NamedTuple, Self

from redis import RedisError

from shared.jobs import Claim, JobStore, Progress, Pulse
from shared.settings import Settings
from worker.drain import Drain

log = logging.getLogger(__name__)

REPORT_SECONDS = 0.25  # progress reaches the record at most this often
REPORTS_AT_ONCE = 20  # of more epochs than that between two heartbeats, the log has the newest


class LeaseLost(Exception):
    """The job is not this worker's any more: stop, and write nothing."""


class Cancelled(Exception):
    """Somebody asked for the job to stop."""


class Drained(Exception):
    """This worker is to stop: save the work and give the job back."""


class TimedOut(Exception):
    """The job has run for longer than it may."""


class Report(NamedTuple):
    """What a heartbeat carries."""

    progress: Progress | None
    metrics: Mapping[str, Any] | None
    event: str


NOTHING_NEW = Report(None, None, "")


class Lease:
    """Renews a claim every `heartbeat_seconds`, or as soon as there is progress to report. Use it in a `with` block."""

    def __init__(self, jobs: JobStore, claim: Claim, settings: Settings, drain: Drain) -> None:
        self._jobs = jobs
        self._claim = claim
        self._drain = drain
        self._heartbeat_seconds = settings.heartbeat_seconds
        self._stop_writing_seconds = settings.lease_seconds * 2 / 3
        self._stall_seconds = settings.stall_seconds
        self._pulse = Pulse.HELD
        self._renewed_at = self._checked_at = time.monotonic()
        left = claim.seconds_left
        self._deadline = float("inf") if left is None else self._renewed_at + left
        self._reports: SimpleQueue[Report] = SimpleQueue()
        self._unsent: list[Report] = []  # of the heartbeats that failed
        self._renewing = threading.Lock()  # the heartbeat's thread and the work's `confirm` both renew
        self._wake = threading.Event()
        self._ended = threading.Event()
        own_context = copy_context()  # so that the thread's lines in the log name the job as well
        self._thread = threading.Thread(target=own_context.run, args=(self._beat,), name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._wake.set()
        self._thread.join()
        self.flush()

    def report(self, progress: Progress, metrics: Mapping[str, Any] | None = None, event: str = "progress") -> None:
        """Hand over how far the job is. A report of mere progress may be dropped in favour of a later one."""
        self._reports.put(Report(progress, metrics, event))
        self._wake.set()

    def check(self) -> None:
        """Called after each mini-batch or shard; raises where the work must end.

        Raises `LeaseLost`, `Cancelled`, `TimedOut` or `Drained`. The lease counts as lost some time before others may
        take it, for what is written must have been written by then.
        """
        self._checked_at = now = time.monotonic()
        if self._pulse is Pulse.LOST or now - self._renewed_at > self._stop_writing_seconds:
            raise LeaseLost
        if self._pulse is Pulse.CANCEL:
            raise Cancelled
        if now > self._deadline:
            raise TimedOut
        if self._drain.told:
            raise Drained

    def flush(self) -> None:
        """Send the reports that still wait: before the job's end, after which nothing more is taken."""
        if self._unsent or not self._reports.empty():
            self._renew()

    def confirm(self) -> None:
        """Ask Redis, now, whether the lease holds: before what cannot be taken back. Raises as `check` does."""
        self._renew()
        self.check()

    def log(self, event: str, data: Mapping[str, Any]) -> None:
        """Put an event into the job's log, as far as Redis answers: the work does not hang on it."""
        try:
            self._jobs.log(self._claim, event, data)
        except RedisError as error:
            log.warning("job %s: the event %s is not logged: %s", self._claim.job.id, event, error)

    @property
    def seconds_until_lost(self) -> float:
        """How long this worker may still write without another heartbeat."""
        return self._renewed_at + self._stop_writing_seconds - time.monotonic()

    def _beat(self) -> None:
        while not self._ended.is_set():
            self._wake.wait(self._heartbeat_seconds)
            self._wake.clear()
            self._renew()
            if time.monotonic() - self._checked_at > self._stall_seconds:
                log.error("job %s: no step for %.0f s, ending this process", self._claim.job.id, self._stall_seconds)
                os.kill(os.getpid(), signal.SIGKILL)  # what hangs in native code hears nothing else
            self._ended.wait(REPORT_SECONDS)

    def _renew(self) -> None:
        with self._renewing:
            self._renew_once()

    def _renew_once(self) -> None:
        sent_at = time.monotonic()  # the lease counts from before the request, never from after it
        self._unsent = _worth_sending([*self._unsent, *self._waiting_reports()])
        try:
            for report in self._unsent[:] or [NOTHING_NEW]:
                pulse = self._jobs.renew(self._claim, *report)
                if self._pulse is not Pulse.LOST:
                    self._pulse = pulse
                del self._unsent[:1]
            self._renewed_at = sent_at
        except RedisError as error:
            log.warning("job %s: heartbeat failed: %s", self._claim.job.id, error)

    def _waiting_reports(self) -> Iterable[Report]:
        while True:
            try:
                yield self._reports.get_nowait()
            except Empty:
                return


def _worth_sending(reports: Iterable[Report]) -> list[Report]:
    """The newest reports of events of their own, and of mere progress only the last."""
    kept: list[Report] = []
    for report in reports:
        if kept and kept[-1].event == "progress":
            kept.pop()
        kept.append(report)
    return kept[-REPORTS_AT_ONCE:]
