"""Connections whose clients send one request after another: one thread handles the requests of all of them.

To wake a thread takes longer than to handle a short request. So the connections that have had a response a moment ago
form a group. One thread, the leader, waits for all of them and handles their requests one after another.
If a request takes longer than `LONG_SECONDS`, the watcher removes its connection from the group and starts another
leader. If no thread is free for it, the connections return to the event loop.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Any

IDLE_SECONDS = 0.02  # a connection without a request for this time returns to the event loop
LONG_SECONDS = 0.02  # with 5 ms, p99 was higher on a busy machine

Step = Callable[[Any], None]  # what the event loop does next with a connection


class Leader:
    """A thread that handles the group's requests, with the connection and the start of the present request."""

    def __init__(self) -> None:
        self.conn: Any = None
        self.file = -1
        self.since = 0.0


class BusyConnections:
    """The group.

    handle: handles a connection's next request; returns None if the connection stays in the group. keep: the step for
    an idle connection. defer: passes a step and its connection to the event loop. start: runs a function in a thread of
    the pool. may_continue: returns whether the leader may keep its thread.
    """

    def __init__(
        self,
        handle: Callable[[Any], Step | None],
        keep: Step,
        defer: Callable[[Step, Any], None],
        start: Callable[[Callable[[], None]], Any],
        may_continue: Callable[[], bool],
    ) -> None:
        self._handle = handle
        self._keep = keep
        self._defer = defer
        self._start = start
        self._may_continue = may_continue
        self._lock = Lock()  # of all that follows
        self._poll = select.epoll()
        self._idle_since: dict[int, float] = {}  # by the file descriptor, in this order
        self._conns: dict[int, Any] = {}
        self._leader: Leader | None = None
        self._starts_since: float | None = None  # when a leader was started that does not run yet
        self._has_connections = Event()
        Thread(target=self._watch, daemon=True).start()

    def add(self, conn: Any) -> None:
        """Add a connection that has had a response."""
        file = conn.sock.fileno()
        with self._lock:
            self._conns[file] = conn
            self._idle_since[file] = time.monotonic()
            self._poll.register(file, select.EPOLLIN)
            if self._leader is None and self._starts_since is None:
                self._start_leader()
            self._has_connections.set()

    def is_empty(self) -> bool:
        """Return whether the group has no connection."""
        return not self._conns

    def _lead(self) -> None:
        leader = Leader()
        with self._lock:
            if self._leader is not None:
                return
            self._leader = leader
            self._starts_since = None
        while self._leader is leader:
            for file, _ in self._poll.poll(IDLE_SECONDS):
                if not self._handle_next(leader, file):
                    return
            self._return_idle(leader)

    def _handle_next(self, leader: Leader, file: int) -> bool:
        """Handle a request. Return whether this thread is still the leader."""
        with self._lock:
            if self._leader is not leader:
                return False
            conn = self._conns[file]
            leader.conn, leader.file, leader.since = conn, file, time.monotonic()
        step = self._handle(conn)
        with self._lock:
            leader.conn = None
            still_leads = self._leader is leader
            if still_leads and step is None:
                del self._idle_since[file]  # and insert it again, because the order is that of the times
                self._idle_since[file] = time.monotonic()
                return True
            if still_leads:
                self._remove(file, conn)
        self._defer(step or self._keep, conn)
        return still_leads

    def _return_idle(self, leader: Leader) -> None:
        with self._lock:
            if self._leader is not leader:
                return
            latest = time.monotonic() - IDLE_SECONDS if self._may_continue() else float("inf")
            self._return([file for file, since in self._idle_since.items() if since <= latest])
            if not self._conns:
                self._leader = None

    def _return(self, files: Iterable[int]) -> None:
        for file in files:
            conn = self._conns[file]
            self._remove(file, conn)
            self._defer(self._keep, conn)

    def _remove(self, file: int, conn: Any) -> None:
        if self._conns.get(file) is not conn:
            return  # it was closed after an error, and another connection has its number
        with suppress(OSError):  # closed
            self._poll.unregister(file)
        del self._idle_since[file], self._conns[file]

    def _start_leader(self) -> None:
        self._starts_since = time.monotonic()
        self._start(self._lead)

    def _watch(self) -> None:
        while self._has_connections.wait():
            time.sleep(LONG_SECONDS)
            with self._lock:
                self._check(time.monotonic() - LONG_SECONDS)
                if not self._conns:
                    self._has_connections.clear()

    def _check(self, latest: float) -> None:
        """Replace a leader whose request started before `latest`. Expect no more a leader that has found no thread."""
        leader = self._leader
        if leader is not None and leader.conn is not None and leader.since < latest:
            self._remove(leader.file, leader.conn)
            self._leader = None
            if self._conns:
                self._start_leader()
        elif self._starts_since is not None and self._starts_since < latest:
            self._starts_since = None
            self._return(list(self._conns))
