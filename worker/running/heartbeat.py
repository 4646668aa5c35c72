"""A heartbeat thread: renews the lease while the work runs, and kills a process whose work hangs."""

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

from shared.runtime.clock import since_boot
from shared.runtime.settings import Settings
from worker.running.shutdown import ShutdownRequest
from worker.running.stall import StallWatch

log = logging.getLogger(__name__)

TRIES = 2  # to renew an expired lease
REST_SECONDS = 0.25  # the shortest time between two beats, however often the thread is woken


class LeaseLost(Exception):
    """This process no longer holds the lease: stop, and write nothing."""


class ShutdownRequested(Exception):
    """This worker is shutting down: save the work and release it."""


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
        self._renewed_at = since_boot()
        self._stall = StallWatch(2 * settings.heartbeat_seconds + REST_SECONDS, time.monotonic())
        self._wake = threading.Event()
        self._ended = threading.Event()
        own_context = copy_context()  # so that the thread's log lines name the job as well
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

    def step(self) -> None:
        """Count a step of work that must not be interrupted, such as writing a checkpoint. Raises nothing."""
        self._stall.step()

    @property
    def seconds_until_lost(self) -> float:
        """The seconds for which this process may still write without another beat."""
        return self._renewed_at + self._stop_writing_seconds - since_boot()

    def _check_held(self) -> None:
        """Raise `LeaseLost` some time before the lease expires, so that a write in progress ends before that.

        If this process was suspended for so long, it first tries to renew the lease: nobody else has it if all
        processes were suspended, or Redis did not respond to any. The first try may find a connection that has ended.
        """
        self._stall.step()
        for _ in range(TRIES):
            if self._lost:
                raise LeaseLost
            if self.seconds_until_lost >= 0:  # read once: a suspension may begin after it
                return
            self._renew()
        if self._lost or self.seconds_until_lost < 0:
            raise LeaseLost

    def _check_shutdown(self) -> None:
        if self._shutdown.requested:
            raise ShutdownRequested

    @abstractmethod
    def _renew(self) -> None:
        """Renew the lease that the work holds."""

    def _beat(self) -> None:
        while not self._ended.is_set():
            self._wake.wait(self._heartbeat_seconds)
            self._wake.clear()
            self._renew()
            if self._stall.beat(time.monotonic()) > self._stall_seconds:
                log.error("%s: no progress for %.0f s; killing this process", self._what, self._stall_seconds)
                os.kill(os.getpid(), signal.SIGKILL)  # native code that hangs handles no other signal
            self._ended.wait(REST_SECONDS)
