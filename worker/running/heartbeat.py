"""A thread that beats while the work goes on: it renews what the work holds, and ends a process whose work hangs."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from contextvars import copy_context
from types import TracebackType
from typing import Self

from shared.runtime.settings import Settings
from worker.running.shutdown import ShutdownRequest

log = logging.getLogger(__name__)

REST_SECONDS = 0.25  # between two beats, however often the thread is woken


class LeaseLost(Exception):
    """The work is not this process's any more: stop, and write nothing."""


class ShutdownRequested(Exception):
    """This worker is to stop: save the work and give it back."""


class Heartbeat(ABC):
    """Beats every `heartbeat_seconds`, or as soon as it is woken. Use it in a `with` block.

    what: the work's name in the log.
    """

    def __init__(self, what: str, settings: Settings, shutdown: ShutdownRequest) -> None:
        self._what = what
        self._shutdown = shutdown
        self._heartbeat_seconds = settings.heartbeat_seconds
        self._stop_writing_seconds = settings.lease_seconds * 2 / 3
        self._stall_seconds = settings.stall_seconds
        self._lost = False
        self._renewed_at = self._checked_at = time.monotonic()
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

    def check(self) -> None:
        """Check the lease after each step of the work, every few seconds; raises `LeaseLost` or `ShutdownRequested`."""
        self._check_held()
        self._check_shutdown()

    @property
    def seconds_until_lost(self) -> float:
        """How long this process may still write without another beat."""
        return self._renewed_at + self._stop_writing_seconds - time.monotonic()

    def _check_held(self) -> None:
        """The lease counts as lost some time before others may take it: what is written must be written by then."""
        self._checked_at = time.monotonic()
        if self._lost or self.seconds_until_lost < 0:
            raise LeaseLost

    def _check_shutdown(self) -> None:
        if self._shutdown.told:
            raise ShutdownRequested

    @abstractmethod
    def _renew(self) -> None:
        """Renew what the work holds."""

    def _beat(self) -> None:
        while not self._ended.is_set():
            self._wake.wait(self._heartbeat_seconds)
            self._wake.clear()
            self._renew()
            if time.monotonic() - self._checked_at > self._stall_seconds:
                log.error("%s: no step for %.0f s, ending this process", self._what, self._stall_seconds)
                os.kill(os.getpid(), signal.SIGKILL)  # what hangs in native code hears nothing else
            self._ended.wait(REST_SECONDS)
