"""The lease of a running job, kept alive by a thread while the job works; it brings back whether to go on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import NamedTuple

from redis import RedisError

from shared.jobs import Claim, JobStore, Progress, Pulse
from shared.jobs.outcome import Metrics
from shared.json_types import JsonObject
from shared.runtime.redis_faults import explained
from shared.runtime.settings import Settings
from worker.running.heartbeat import REST_SECONDS, Heartbeat
from worker.running.shutdown import ShutdownRequest

log = logging.getLogger(__name__)

REPORT_SECONDS = REST_SECONDS  # progress reaches the record at most this often
REPORTS_AT_ONCE = 20  # of more epochs than that between two heartbeats, the log has the newest


class Cancelled(Exception):
    """Somebody asked for the job to stop."""


class TimedOut(Exception):
    """The job has run for longer than it may."""


class Report(NamedTuple):
    """What a heartbeat carries."""

    progress: Progress | None
    metrics: Metrics | None
    event: str


NOTHING_NEW = Report(None, None, "")


class Lease(Heartbeat):
    """Renews a claim, and carries the progress; as soon as there is some to report. Use it in a `with` block."""

    def __init__(self, jobs: JobStore, claim: Claim, settings: Settings, shutdown: ShutdownRequest) -> None:
        super().__init__(f"job {claim.job.id}", settings, shutdown)
        self._jobs = jobs
        self._claim = claim
        self._cancelled = False
        left = claim.seconds_left
        self._deadline = float("inf") if left is None else self._renewed_at + left
        self._reports: SimpleQueue[Report] = SimpleQueue()
        self._unsent: list[Report] = []  # of the heartbeats that failed
        self._renewing = threading.Lock()  # the heartbeat's thread and the work's `confirm` both renew

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self.flush()

    def report(self, progress: Progress, metrics: Metrics | None = None, event: str = "progress") -> None:
        """Hand over how far the job is. A report of mere progress may be dropped in favour of a later one."""
        self._reports.put(Report(progress, metrics, event))
        self._wake.set()

    def check(self) -> None:
        """Called after each mini-batch or shard; raises `LeaseLost`, `Cancelled`, `TimedOut` or `ShutdownRequested`."""
        self._check_held()
        if self._cancelled:
            raise Cancelled
        if time.monotonic() > self._deadline:
            raise TimedOut
        self._check_shutdown()

    def flush(self) -> None:
        """Send the reports that still wait: before the job's end, after which nothing more is taken."""
        if self._unsent or not self._reports.empty():
            self._renew()

    def confirm(self) -> None:
        """Ask Redis, now, whether the lease holds: before what cannot be taken back. Raises as `check` does."""
        self._renew()
        self.check()

    def log(self, event: str, data: JsonObject) -> None:
        """Put an event into the job's log, as far as Redis answers: the work does not hang on it."""
        try:
            self._jobs.log(self._claim, event, data)
        except RedisError as error:
            log.warning("job %s: the event %s is not logged: %s", self._claim.job.id, event, explained(error))

    def _renew(self) -> None:
        with self._renewing:
            self._renew_once()

    def _renew_once(self) -> None:
        sent_at = time.monotonic()  # the lease counts from before the request, never from after it
        self._unsent = _worth_sending([*self._unsent, *self._waiting_reports()])
        try:
            for report in self._unsent[:] or [NOTHING_NEW]:
                pulse = self._jobs.renew(self._claim, *report)
                self._lost = self._lost or pulse is Pulse.LOST
                self._cancelled = pulse is Pulse.CANCEL
                del self._unsent[:1]
            self._renewed_at = sent_at
        except RedisError as error:
            log.warning("job %s: heartbeat failed: %s", self._claim.job.id, explained(error))

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
