"""Graceful shutdown of a pool process: SIGTERM sets a flag, which the work checks after each mini-batch or shard.

The handler is installed only while a job runs: billiard's own handler ends an idle process.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType


class ShutdownRequest:
    """A request to this process to release its job and stop."""

    def __init__(self) -> None:
        self._requested = threading.Event()

    @property
    def requested(self) -> bool:
        """True after SIGTERM has arrived."""
        return self._requested.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for the request, at most so many seconds; return whether it has arrived."""
        return self._requested.wait(seconds)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle SIGTERM as a request for the duration of one job; clear earlier requests. In the main thread only."""
        self._requested.clear()
        before = signal.signal(signal.SIGTERM, self._request)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _request(self, _signal: int, _frame: FrameType | None) -> None:
        self._requested.set()


def notify_children() -> None:
    """Send SIGTERM to this process's children: a container's SIGTERM reaches only its first process."""
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        with suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGTERM)
