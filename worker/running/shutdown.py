"""The wish to stop, as a pool process hears it: SIGTERM sets a flag, which the work looks at after each step.

Only while it works: billiard sets a handler of its own after a pool process has begun, which ends an idle one.
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
    """Whether this process has been told to give back the job that it works on."""

    def __init__(self) -> None:
        self._told = threading.Event()

    @property
    def told(self) -> bool:
        """True once the process was told."""
        return self._told.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until the process is told; returns whether it was."""
        return self._told.wait(seconds)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGTERM for the wish to stop for the length of one job, which begins untold; in the main thread only."""
        self._told.clear()
        before = signal.signal(signal.SIGTERM, self._hear)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _hear(self, _signal: int, _frame: FrameType | None) -> None:
        self._told.set()


def notify_children() -> None:
    """Pass the wish on to this process's children: a container's SIGTERM reaches its first process alone."""
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        with suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGTERM)
