"""The lease of a running job, kept alive by a thread while the job works; it brings back whether to go on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, NamedTuple, Self

from redis import RedisError

from shared.jobs import Claim, JobStore, Progress, Pulse

log = logging.getLogger(__name__)

REPORT_SECONDS = 0.25  # progress reaches the record at most this often


class LeaseLost(Exception):
    """The job is not this worker's any more: stop, and write nothing."""


class Cancelled(Exception):
    """Somebody asked for the job to stop."""


class Report(NamedTuple):
    """What a heartbeat carries."""

    progress: Progress | None
    metrics: Mapping[str, Any] | None
    event: str


NOTHING_NEW = Report(None, None, "")


class Lease:
    """Renews a claim every `heartbeat_seconds`, or as soon as there is progress to report. Use it in a `with` block."""

    def __init__(self, jobs: JobStore, claim: Claim, heartbeat_seconds: float, lease_seconds: float) -> None:
        self._jobs = jobs
        self._claim = claim
        self._heartbeat_seconds = heartbeat_seconds
        self._stop_writing_after = lease_seconds * 2 / 3
        self._pulse = Pulse.HELD
        self._renewed_at = time.monotonic()
        self._reports: SimpleQueue[Report] = SimpleQueue()
        self._unsent: list[Report] = []  # of the heartbeats that failed
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._wake.set()
        self._thread.join()
        if self._unsent or not self._reports.empty():
            self._renew()

    def report(self, progress: Progress, metrics: Mapping[str, Any] | None = None, event: str = "progress") -> None:
        """Hand over how far the job is. A report of mere progress may be dropped in favour of a later one."""
        self._reports.put(Report(progress, metrics, event))
        self._wake.set()

    def check(self) -> None:
        """Called after each mini-batch or shard; raises `LeaseLost` or `Cancelled` where the work must end."""
        if self._pulse is Pulse.CANCEL:
            raise Cancelled
        if self._pulse is Pulse.LOST or time.monotonic() - self._renewed_at > self._stop_writing_after:
            raise LeaseLost

    def _beat(self) -> None:
        while not self._ended.is_set():
            self._wake.wait(self._heartbeat_seconds)
            self._wake.clear()
            self._renew()
            self._ended.wait(REPORT_SECONDS)

    def _renew(self) -> None:
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
    """Every report of an event of its own, and of mere progress only the newest."""
    kept: list[Report] = []
    for report in reports:
        if kept and kept[-1].event == "progress":
            kept.pop()
        kept.append(report)
    return kept
