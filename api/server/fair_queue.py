"""A first-in, first-out queue of threads: one thread of a process runs at a time, unless its work takes long.

Threads that compute at the same time compete for Python's GIL in no defined order. The switches cost time, and some
requests take four times as long as most. A thread that waits for a slow client or Redis must not block the others, so
a turn expires after `TURN_SECONDS`.
"""

from __future__ import annotations

import time
from collections import deque
from threading import Lock

TURN_SECONDS = 0.005


class Turn:
    """One thread's turn, or its place in the queue."""

    def __init__(self) -> None:
        self.ready = Lock()  # released when the turn starts
        self.ready.acquire()
        self.since = 0.0


class FairQueue:
    """Grants turns in the order of the requests. turn_seconds: a turn's duration until it expires."""

    def __init__(self, turn_seconds: float = TURN_SECONDS) -> None:
        self._turn_seconds = turn_seconds
        self._lock = Lock()
        self._holder: Turn | None = None
        self._queue: deque[Turn] = deque()

    def take(self) -> Turn:
        """Wait for a turn, and return it."""
        turn = Turn()
        with self._lock:
            self._queue.append(turn)
            if self._holder is None:
                self._next()
        while not turn.ready.acquire(timeout=self._turn_seconds):
            with self._lock:
                if self._holder is None or time.monotonic() - self._holder.since >= self._turn_seconds:
                    self._next()
        return turn

    def release(self, turn: Turn) -> None:
        """End a turn and start the next one, unless this turn has expired."""
        with self._lock:
            if self._holder is turn:
                self._next()

    def _next(self) -> None:
        self._holder = self._queue.popleft() if self._queue else None
        if self._holder is not None:
            self._holder.since = time.monotonic()
            self._holder.ready.release()
