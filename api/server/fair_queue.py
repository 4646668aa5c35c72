"""Turns: of a process's threads one works at a time, in the order in which they came, unless its work takes long.

Threads that all want to compute take Python's lock from each other in the middle of their work, in no order: that costs
time, and lets some requests wait for four times as long as most. Whoever waits for something else, a slow client or
Redis, must not keep the others from working, though: who has not given the turn back after a while loses it.
"""

from __future__ import annotations

import time
from collections import deque
from threading import Lock

PATIENCE_SECONDS = 0.005


class Turn:
    """One thread's turn, or its place in the queue."""

    def __init__(self) -> None:
        self.come = Lock()  # held by nobody once the turn has come
        self.come.acquire()
        self.since = 0.0


class FairQueue:
    """Gives turns, first come, first served."""

    def __init__(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience = patience_seconds
        self._lock = Lock()
        self._holder: Turn | None = None
        self._queue: deque[Turn] = deque()

    def take(self) -> Turn:
        """Wait for a turn."""
        turn = Turn()
        with self._lock:
            self._queue.append(turn)
            if self._holder is None:
                self._next()
        while not turn.come.acquire(timeout=self._patience):
            with self._lock:
                if self._holder is None or time.monotonic() - self._holder.since >= self._patience:
                    self._next()
        return turn

    def release(self, turn: Turn) -> None:
        """Let the next one work, unless it does already because this turn took long."""
        with self._lock:
            if self._holder is turn:
                self._next()

    def _next(self) -> None:
        self._holder = self._queue.popleft() if self._queue else None
        if self._holder is not None:
            self._holder.since = time.monotonic()
            self._holder.come.release()
