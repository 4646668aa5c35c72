"""The lease of a running job: a thread renews it, sends progress, and receives a cancellation."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import NamedTuple

from redis import RedisError

from shared.jobs import Claim, JobStore, Progress, Pulse
from shared.jobs.outcome import LiveFinding, Metrics
from shared.json_types import JsonObject
from shared.runtime.clock import since_boot
from shared.runtime.redis_faults import RepeatedWarnings, explained
from shared.runtime.settings import Settings
from worker.running.heartbeat import REST_SECONDS, Heartbeat
from worker.running.shutdown import ShutdownRequest

log = logging.getLogger(__name__)

REPORT_SECONDS = REST_SECONDS  # progress reaches the record at most this often
REPORTS_AT_ONCE = 20  # if more epochs end between two heartbeats, only the newest are sent


class Cancelled(Exception):
    """A user has cancelled the job."""


class HandsOver(Exception):
    """The job leaves its process to a queued job that is next, and returns to the queue."""


class TimedOut(Exception):
    """The job has run for longer than its timeout."""


class Report(NamedTuple):
    """The content of a heartbeat."""

    progress: Progress | None
    metrics: Metrics | None
    event: str
    diagnosis: Sequence[LiveFinding] = ()


NOTHING_NEW = Report(None, None, "")


class Lease(Heartbeat):
    """Renews a claim, and sends progress as soon as some is reported. Use it in a `with` block."""

    def __init__(self, jobs: JobStore, claim: Claim, settings: Settings, shutdown: ShutdownRequest) -> None:
        super().__init__(f"job {claim.job.id}", settings, shutdown)
        self._jobs = jobs
        self._claim = claim
        self._cancelled = False
        left = claim.seconds_left
        self._deadline = float("inf") if left is None else time.monotonic() + left  # without time of suspension
        self._reports: SimpleQueue[Report] = SimpleQueue()
        self._unsent: list[Report] = []  # the reports of failed heartbeats
        self._warnings = RepeatedWarnings(log)
        self._reached: int | None = None  # what `reach` has reported, until it is sent
        self._renewing = threading.Lock()  # the heartbeat's thread and the work's `confirm` both renew

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self.flush()

    def report(
        self,
        progress: Progress,
        metrics: Metrics | None = None,
        event: str = "progress",
        diagnosis: Sequence[LiveFinding] = (),
    ) -> None:
        """Queue a progress report for the next heartbeat. A later one may replace an event `progress`."""
        self._reports.put(Report(progress, metrics, event, diagnosis))
        self._wake.set()

    def reach(self, place: int) -> None:
        """Report how far a later attempt can resume. Crashes at the same place count together, up to `poison`.

        place: the mini-batches or images that are done and saved; it grows from attempt to attempt.
        """
        self._reached = place
        self._wake.set()

    def check(self) -> None:
        """Check the lease and the deadline; call this after each mini-batch, shard, or other part of the work.

        Raises `LeaseLost`, `Cancelled`, `TimedOut` or `ShutdownRequested`.
        """
        self.check_in_step()
        self._check_shutdown()

    def check_in_step(self) -> None:
        """Check within a step that cannot be resumed, which a graceful shutdown does not interrupt.

        Raises `LeaseLost`, `Cancelled` or `TimedOut`.
        """
        self._check_held()
        if self._cancelled:
            raise Cancelled
        if time.monotonic() > self._deadline:
            raise TimedOut

    def flush(self) -> None:
        """Send the queued reports: before the job ends, because Redis refuses reports after that."""
        if self._unsent or self._reached is not None or not self._reports.empty():
            self._renew()

    def confirm(self) -> None:
        """Renew the lease now, before an irreversible step. Raises as `check` does."""
        self._renew()
        self.check()

    def confirm_held(self) -> None:
        """Renew the lease and return once Redis has confirmed it; raises `LeaseLost`.

        Call it directly before a change that others see. It retries while Redis does not answer, and ignores
        cancellation: call it for the last steps of work that is already published.
        """
        asked_at = since_boot()
        while True:
            self._renew()
            self._check_held()
            if self._renewed_at >= asked_at:
                return
            self._ended.wait(REST_SECONDS)

    def log(self, event: str, data: JsonObject) -> None:
        """Append an event to the job's log; if Redis fails, log a warning and continue."""
        try:
            self._jobs.log(self._claim, event, data)
        except RedisError as error:
            log.warning("job %s: could not log the event %s: %s", self._claim.job.id, event, explained(error))

    def _renew(self) -> None:
        with self._renewing:
            self._renew_once()

    def _renew_once(self) -> None:
        sent_at = since_boot()  # before the request, so that this process stops no later than Redis ends the lease
        self._unsent = _worth_sending([*self._unsent, *self._waiting_reports()])
        try:
            for report in self._unsent[:] or [NOTHING_NEW]:
                reached = self._reached
                pulse = self._jobs.renew(self._claim, *report, reached=reached)
                self._lost = self._lost or pulse is Pulse.LOST
                self._cancelled = pulse is Pulse.CANCEL
                del self._unsent[:1]
                if self._reached == reached:
                    self._reached = None
            self._renewed_at = sent_at
        except RedisError as error:
            self._warnings.warn(f"job {self._claim.job.id}: heartbeat failed", error)

    def _waiting_reports(self) -> Iterable[Report]:
        while True:
            try:
                yield self._reports.get_nowait()
            except Empty:
                return


def _worth_sending(reports: Iterable[Report]) -> list[Report]:
    """Drop each `progress` report that a later report follows; return the newest of the rest."""
    kept: list[Report] = []
    for report in reports:
        if kept and kept[-1].event == "progress":
            kept.pop()
        kept.append(report)
    return kept[-REPORTS_AT_ONCE:]
