"""gunicorn's threaded worker with an event loop that waits for slow clients, so that they hold no thread.

The loop receives the head of each request, within a total time. A thread gets the request when its head is complete.
If the body is not complete, the thread waits for the client, so only some of the threads may have such requests. The
next such request waits until a thread is free, or takes the place of a client that stalls.
After a response that closes the connection, the loop receives and discards what the client still sends (RFC 9112,
section 9.6): if the server closed the connection at once, the client's operating system could drop the response.
"""

from __future__ import annotations

import errno
import selectors
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from api.server import parse_errors
from api.server.client_socket import ClientLimits, ClientSocket, WaitingClients
from api.server.heads import has_bare_line_feed, is_complete, is_liveness_check, lacks_body

HEAD_BYTES = 64 << 10
LINE_BYTES = 4096  # gunicorn's limit for a request line is 4094
DISCARD_BYTES = 256 << 10  # at once, so that other connections get their turn
SILENT_SECONDS = 5.0  # after a response that closes the connection
STOP_SECONDS = 2.0
STALL_SECONDS = 0.2  # after which a client loses its place if another one waits for it
NO_MORE_FILES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: drop what the client has not read


class Waiting:
    """The event loop's wait for a connection. `discarded` counts the bytes received after a response."""

    def __init__(self, seconds: float) -> None:
        self.end = self.deadline = time.monotonic() + seconds
        self.discarded = 0


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """A worker process whose threads get only requests with a complete head."""

    limits = ClientLimits()

    def init_process(self) -> None:
        """Run the worker. gunicorn calls this in the new process."""
        self._clients = WaitingClients(self.limits.waiting)
        self._heads: dict[Any, Waiting] = {}  # in the order of their deadlines, as all have the same time
        self._lingering: dict[Any, Waiting] = {}
        self._queued: dict[Any, Waiting] = {}  # requests that wait for one of the places of incomplete bodies
        self._receiving: set[Any] = set()  # the connections that have such a place
        self._needs_place = False  # a connection could not be accepted
        self._liveness_thread = ThreadPoolExecutor(1)  # the other threads may have a queue of requests
        self._discard_buffer = bytearray(DISCARD_BYTES)
        super().init_process()

    def accept(self, listener: Any) -> None:
        """Accept a new connection."""
        try:
            accepted, address = listener.accept()
        except OSError as error:
            if error.errno in NO_MORE_FILES:
                self.log.warning("a connection could not be accepted (%s); the oldest one is closed", error)
                self._needs_place = True
            elif error.errno not in {errno.EAGAIN, errno.ECONNABORTED}:
                raise
            return
        self.nr_conns += 1
        conn = TConn(self.cfg, ClientSocket(accepted, self.limits, self._clients), address, listener.getsockname())
        conn.init()
        self.enqueue_req(conn)

    def enqueue_req(self, conn: Any) -> None:
        """Pass the connection's next request to a thread when its head is complete."""
        if self._receives_head(conn):
            self._dispatch(conn)
        elif conn.sock.fileno() >= 0:
            self._await(conn, self._heads, Waiting(self.limits.head_timeout), self._on_head)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Keep or close a connection after a response."""
        self.release_place(conn)
        if fs.cancelled() or fs.exception() is not None or fs.result():
            super().finish_request(conn, fs)
        elif conn.sock.failed_to_read:
            with suppress(OSError):
                conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._drop(conn)
        else:
            self._linger(conn)

    def murder_pending(self) -> None:
        """Close connections whose time is over. gunicorn calls this at least once per second."""
        for conn in self._expired(self._heads, self.limits.head_timeout):
            self._stop_awaiting(conn, self._heads)
            self._reject_slow_head(conn)
        for conn in self._expired(self._lingering, SILENT_SECONDS):
            self._stop_awaiting(conn, self._lingering)
            self._drop(conn)
        for conn in self._expired(self._queued, self.limits.timeout):
            del self._queued[conn]
            self._reject(
                conn, HTTPStatus.SERVICE_UNAVAILABLE, "this server receives too many bodies; send it again later"
            )
        self._clients.interrupt(len(self._queued), STALL_SECONDS)
        if self._needs_place or self.nr_conns >= self.worker_connections:
            self._close_oldest()
            self._needs_place = False

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Run one iteration of the event loop, a short one if a request waits for the place of a client that stalls."""
        super().wait_for_and_dispatch_events(min(timeout, STALL_SECONDS) if self._queued else timeout)

    def release_place(self, conn: Any) -> None:
        """Give the connection's place, if it had one of those for incomplete bodies, to a queued request."""
        self._receiving.discard(conn)
        self._start_queued()

    def may_start(self, conn: Any) -> bool:
        """Return whether a thread may handle the request, whose head is complete: it has its body, or a place."""
        return conn in self._receiving or not lacks_body(conn.parser.unreader.buf.getvalue())

    def may_start_at_once(self, conn: Any) -> bool:
        """Return whether a busy thread may handle the request: it may start, and is no liveness check."""
        return self.may_start(conn) and not is_liveness_check(conn.parser.unreader.buf.getvalue())

    def has_complete_head(self, conn: Any) -> bool:
        """Receive what the client has sent, without waiting. Return whether a thread can parse the request's head.

        Raises OSError, and `EOFError` if the client has closed the connection.
        """
        buffer = conn.parser.unreader.buf
        if not is_complete(buffer.getvalue()):
            received = conn.sock.receive_now(conn.parser.unreader.mxchunk)
            if received == b"":
                raise EOFError
            buffer.seek(0, 2)
            buffer.write(received or b"")
        return is_complete(buffer.getvalue())

    def _receives_head(self, conn: Any) -> bool:
        try:
            if self.has_complete_head(conn):
                return True
        except (OSError, EOFError):
            self._drop(conn)
            return False
        received = conn.parser.unreader.buf.getvalue()
        if len(received) > LINE_BYTES and b"\n" not in received:
            detail = f"the request line has more than {LINE_BYTES - 2} bytes"
            self._reject(conn, HTTPStatus.REQUEST_URI_TOO_LONG, detail)
        elif has_bare_line_feed(received):
            self._reject(conn, HTTPStatus.BAD_REQUEST, "a line of the head ends with LF alone; end each with CR LF")
        elif len(received) > HEAD_BYTES:
            self._reject(conn, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the head has more than {HEAD_BYTES} bytes")
        return False

    def _on_head(self, conn: Any, _socket: Any) -> None:
        if self._receives_head(conn):
            self._stop_awaiting(conn, self._heads)
            self._dispatch(conn)

    def _dispatch(self, conn: Any) -> None:
        if is_liveness_check(conn.parser.unreader.buf.getvalue()):
            task = self._liveness_thread.submit(super().handle, conn)
            task.add_done_callback(lambda done: self.method_queue.defer(self.finish_request, conn, done))
        elif self.may_start(conn):
            super().enqueue_req(conn)
        else:
            self._queued[conn] = Waiting(self.limits.timeout)
            self._start_queued()

    def _start_queued(self) -> None:
        """Pass requests with incomplete bodies to threads while there are places."""
        while self._queued and len(self._receiving) < self.limits.bodies:
            conn = next(iter(self._queued))
            del self._queued[conn]
            self._receiving.add(conn)
            super().enqueue_req(conn)

    def _reject_slow_head(self, conn: Any) -> None:
        if not conn.parser.unreader.buf.getvalue():
            self._drop(conn)
            return
        seconds = f"{self.limits.head_timeout:g} s (GLASSBOX_HEAD_TIMEOUT)"
        self._reject(conn, HTTPStatus.REQUEST_TIMEOUT, f"the request's head was not complete after {seconds}")

    def _reject(self, conn: Any, status: HTTPStatus, detail: str) -> None:
        self.log.info("%s: %s", conn.client[0] if conn.client else "a client", detail)
        if conn in self._heads:
            self._stop_awaiting(conn, self._heads)
        with suppress(OSError):  # the socket's buffer is empty and takes the response
            conn.sock.send(parse_errors.response(status, detail))
        self._linger(conn)

    def _linger(self, conn: Any) -> None:
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(conn)
            return
        waiting = Waiting(self.limits.linger_seconds)
        waiting.deadline = min(waiting.end, time.monotonic() + SILENT_SECONDS)
        self._await(conn, self._lingering, waiting, self._discard)

    def _discard(self, conn: Any, _socket: Any) -> None:
        waiting = self._lingering[conn]
        try:
            count = conn.sock.recv_into(self._discard_buffer, DISCARD_BYTES, socket.MSG_TRUNC)  # copies nothing
        except BlockingIOError:
            return
        except OSError:
            count = 0
        waiting.discarded += count
        if count == 0 or waiting.discarded > self.limits.linger_bytes:
            self._stop_awaiting(conn, self._lingering)
            self._drop(conn)
        else:
            del self._lingering[conn]  # and insert it again, because the group is in the order of deadlines
            waiting.deadline = min(waiting.end, time.monotonic() + SILENT_SECONDS)
            self._lingering[conn] = waiting

    def _await(self, conn: Any, group: dict[Any, Waiting], waiting: Waiting, on_readable: Callable[..., None]) -> None:
        group[conn] = waiting
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(on_readable, conn))

    def _stop_awaiting(self, conn: Any, group: dict[Any, Waiting]) -> None:
        del group[conn]
        self.poller.unregister(conn.sock)

    def _expired(self, group: dict[Any, Waiting], seconds: float) -> list[Any]:
        now = time.monotonic()
        if not self.alive:
            now += max(0.0, seconds - STOP_SECONDS)
        expired = []
        for conn, waiting in group.items():
            if waiting.deadline > now:
                break
            expired.append(conn)
        return expired

    def _close_oldest(self) -> None:
        """Close the connection that has waited longest: after a response, between requests, or for a head."""
        if self._lingering:
            group = self._lingering
        elif self.keepalived_conns:
            conn = self.keepalived_conns.popleft()
            self.poller.unregister(conn.sock)
            self._drop(conn)
            return
        else:
            group = self._heads
        if group:
            conn = next(iter(group))
            self._stop_awaiting(conn, group)
            self._drop(conn)

    def _drop(self, conn: Any) -> None:
        if conn in self._heads:
            self._stop_awaiting(conn, self._heads)
        self.nr_conns -= 1
        conn.close()
