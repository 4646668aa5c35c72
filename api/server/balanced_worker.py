"""gunicorn's threaded worker with connections balanced across processes and threads scheduled in turns.

The process that wakes first accepts a new connection, and a client keeps it for many requests. So one process can end
up with all connections while another core idles, which halves the throughput. Here each process writes its number of
connections to shared counters, and a process that has more than another waits a moment before it accepts.
`api/server/fair_queue.py` explains why threads take turns.
"""

from __future__ import annotations

import mmap
import select
import struct
import time
from typing import Any

from api.server.fair_queue import FairQueue
from api.server.patient_worker import PatientWorker

PLACES = 256
ENTRY = struct.Struct("di")  # time of the write (monotonic clock), number of connections
STALE_SECONDS = 3.0  # a running process writes at least once per second
MOMENT_SECONDS = 0.001
LINGER_MILLISECONDS = 20  # of a thread on a connection after a response, and
SHORT_LINGER_MILLISECONDS = 2  # if there are more connections than threads

shared_counters = mmap.mmap(-1, PLACES * ENTRY.size)  # created before gunicorn forks, so all processes share it


class BalancedThreads(PatientWorker):
    """A worker process of the API. `place` is a number that is unique among running processes."""

    place: int

    def init_process(self) -> None:
        """Run the worker. gunicorn calls this in the new process."""
        self._queue = FairQueue()
        super().init_process()

    def handle(self, conn: Any) -> Any:
        """Handle a request and its immediate successors on the same connection.

        Moving a connection to the event loop and back to a thread takes as long as a short request.
        """
        again = self._handle_in_turn(conn)
        while again is True and self.alive and self._has_next_request(conn):
            again = self._handle_in_turn(conn)
        return again

    def _handle_in_turn(self, conn: Any) -> Any:
        turn = self._queue.take()
        conn.sock.begin_request()
        conn.sock.on_wait = lambda: self._queue.release(turn)  # others run while this thread waits for its client
        try:
            return super().handle(conn)
        finally:
            self._queue.release(turn)

    def notify(self) -> None:
        """Send the worker's heartbeat. gunicorn calls this in each iteration of its loop."""
        self._write()
        super().notify()

    def accept(self, listener: Any) -> None:
        """Accept a new connection, after a moment if another process has fewer connections."""
        if self.nr_conns > self._fewest():
            time.sleep(MOMENT_SECONDS)
        super().accept(listener)
        self._write()

    def _has_next_request(self, conn: Any) -> bool:
        """Return whether the connection has another request, or gets one shortly while this thread is not needed."""
        threads_are_scarce = self.nr_conns > self.cfg.threads
        if threads_are_scarce and not self.tpool._work_queue.empty():  # noqa: SLF001
            return False
        linger = SHORT_LINGER_MILLISECONDS if threads_are_scarce else LINGER_MILLISECONDS
        if not conn.parser.unreader.buf.getvalue() and not _is_readable(conn, linger):
            return False
        try:
            return self.has_complete_head(conn) and self.may_start(conn)
        except (OSError, EOFError):
            return False  # the event loop closes the connection

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
