"""gunicorn's threaded worker with connections balanced across processes and threads scheduled in turns.

The process that wakes first accepts a new connection, and a client keeps it for many requests. So one process can end
up with all connections while another core idles, which halves the throughput. Here each process writes its number of
connections to shared counters, and a process that has more than another waits a moment before it accepts.
`api/server/fair_queue.py` explains why threads take turns, and `api/server/busy_connections.py` why one thread handles
the requests of many connections.
"""

from __future__ import annotations

import mmap
import struct
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

from api.server.busy_connections import BusyConnections, Step
from api.server.fair_queue import FairQueue
from api.server.heads import is_complete
from api.server.patient_worker import PatientWorker

PLACES = 256
ENTRY = struct.Struct("di")  # time of the write (monotonic clock), number of connections
STALE_SECONDS = 3.0  # a running process writes at least once per second
MOMENT_SECONDS = 0.001

shared_counters = mmap.mmap(-1, PLACES * ENTRY.size)  # created before gunicorn forks, so all processes share it


class BalancedThreads(PatientWorker):
    """A worker process of the API. `place` is a number that is unique among running processes."""

    place: int

    def init_process(self) -> None:
        """Run the worker. gunicorn calls this in the new process."""
        self._queue = FairQueue()
        self._busy = BusyConnections(
            self._handle_busy,
            self._keep,
            self.method_queue.defer,
            self._start,
            self._may_continue,
        )
        super().init_process()

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Keep or close a connection after a response. A connection that stays open is busy: add it to the group."""
        if _stays(conn, fs) and self._may_continue():
            self.release_place(conn)
            self._busy.add(conn)
        else:
            super().finish_request(conn, fs)

    def handle(self, conn: Any) -> Any:
        """Handle a request, and further ones that the client has sent with it. gunicorn calls this in a thread."""
        again = self._handle_in_turn(conn)
        while again is True and self.alive and self._has_complete_request(conn):
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

    def _has_complete_request(self, conn: Any) -> bool:
        received = conn.parser.unreader.buf.getvalue()
        return bool(received) and is_complete(received) and self.may_start_at_once(conn)

    def _handle_busy(self, conn: Any) -> Step | None:
        """Handle the next request of a connection in the group of busy ones, if it has arrived as a whole."""
        try:
            is_ready = self.has_complete_head(conn) and self.may_start_at_once(conn)
        except (OSError, EOFError):
            is_ready = False  # the event loop closes the connection
        if not is_ready:
            return self.enqueue_req
        done: Future[Any] = Future()
        try:
            done.set_result(self.handle(conn))
        except BaseException as error:
            done.set_exception(error)
        return None if _stays(conn, done) else partial(self._finish, done)

    def _finish(self, done: Future[Any], conn: Any) -> None:
        self.finish_request(conn, done)

    def _keep(self, conn: Any) -> None:
        done: Future[Any] = Future()
        done.set_result(True)
        super().finish_request(conn, done)

    def _start(self, function: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the pool is shut down
            self.tpool.submit(function)

    def _may_continue(self) -> bool:
        """Return whether a thread may wait for busy connections: no other request waits for a thread."""
        return bool(self.alive and self.tpool._work_queue.empty())  # noqa: SLF001

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

    def _write(self) -> None:
        ENTRY.pack_into(shared_counters, self.place % PLACES * ENTRY.size, time.monotonic(), self.nr_conns)

    def _fewest(self) -> int:
        now = time.monotonic()
        entries = ENTRY.iter_unpack(shared_counters[:])
        return min((connections for written, connections in entries if now - written < STALE_SECONDS), default=0)


def _stays(conn: Any, done: Any) -> bool:
    """Return whether a connection stays open after a response and has no further request in its buffer."""
    if done.cancelled() or done.exception() is not None or done.result() is not True:
        return False
    return not conn.parser.unreader.buf.getvalue()
