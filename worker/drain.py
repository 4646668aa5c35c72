"""The wish to stop, as a pool process hears it: SIGTERM sets a flag, which the work looks at after each step."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType


class Drain:
    """Whether this process has been told to give its job back and take no other."""

    def __init__(self) -> None:
        self._told = threading.Event()

    @property
    def told(self) -> bool:
        """True once the process was told."""
        return self._told.is_set()

    def listen(self) -> None:
        """Take SIGTERM for the wish to stop; the pool ends an idle process by itself."""
        signal.signal(signal.SIGTERM, self._hear)

    def _hear(self, _signal: int, _frame: FrameType | None) -> None:
        self._told.set()


def tell_children() -> None:
    """Pass the wish on to this process's children: a container's SIGTERM reaches its first process alone."""
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        with suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGTERM)
