"""gunicorn's threaded worker, but connections are shared out among the processes, and threads take turns.

Whichever process wakes first takes a new connection, and a client keeps it for many requests. So one process may come
to have all of them, while another core idles: half the requests a second, and twice the time for each. Here each
process writes its number of connections on a board that all share, and one that has more than another gives that one a
moment. Why threads take turns is told in `api/server/fair_queue.py`.
"""

from __future__ import annotations

import mmap
import select
import struct
import time
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from api.server.fair_queue import FairQueue

PLACES = 256
ENTRY = struct.Struct("di")  # when it was written, on the machine's monotonic clock; connections
STALE_SECONDS = 3.0  # a living process writes once a second at the least
MOMENT_SECONDS = 0.001
LINGER_MILLISECONDS = 2

shared_counters = mmap.mmap(-1, PLACES * ENTRY.size)  # made before the processes are, which therefore share it


class BalancedThreads(ThreadWorker):  # type: ignore[misc]
    """A process of the API; `place` is a number that no other living one has."""

    place: int

    def init_process(self) -> None:
        """Run; called in the new process."""
        self._queue = FairQueue()
        super().init_process()

    def handle(self, conn: Any) -> Any:
        """Answer a request, and those that follow it on the same connection without a pause.

        The way of a connection back to the loop and into a thread again takes as long as a short answer.
        """
        if not conn.initialized and not _is_readable(conn, 0):
            again = super().handle(conn)  # it waits for a request first
        else:
            again = self._handle_in_turn(conn)
        while again is True and self.alive and self._next_is_there(conn):
            again = self._handle_in_turn(conn)
        return again

    def _handle_in_turn(self, conn: Any) -> Any:
        turn = self._queue.take()
        try:
            return super().handle(conn)
        finally:
            self._queue.release(turn)

    def notify(self) -> None:
        """Give a sign of life; called in each turn of the loop."""
        self._write()
        super().notify()

    def accept(self, listener: Any) -> None:
        """Take a new connection, if nobody who has fewer is faster."""
        if self.nr_conns > self._fewest():
            time.sleep(MOMENT_SECONDS)
        super().accept(listener)
        self._write()

    def _next_is_there(self, conn: Any) -> bool:
        """Whether the connection has another request already, or gets one while nobody else needs this thread."""
        if conn.parser.unreader.buf.getvalue():
            return True
        if not self.tpool._work_queue.empty():  # noqa: SLF001
            return False
        return _is_readable(conn, LINGER_MILLISECONDS)

    def _write(self) -> None:
        ENTRY.pack_into(shared_counters, self.place % PLACES * ENTRY.size, time.monotonic(), self.nr_conns)

    def _fewest(self) -> int:
        now = time.monotonic()
        entries = ENTRY.iter_unpack(shared_counters[:])
        return min((connections for written, connections in entries if now - written < STALE_SECONDS), default=0)


def _is_readable(conn: Any, within_milliseconds: int) -> bool:
    poll = select.poll()
    poll.register(conn.sock, select.POLLIN)
    return bool(poll.poll(within_milliseconds))
