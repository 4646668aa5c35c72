"""A client's socket with limits for slow clients: how long they may stall, and how many may hold a thread meanwhile.

A thread that receives a body or sends a response waits for the client. Each second of waiting adds to the client's
debt, and each byte that moves reduces it. So a client is slow if it stalls for too long at once, or if it stays below
the least rate for too long.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any

SHORT_SECONDS = 0.001  # a wait of this length does not cost the thread its turn
BLOCK = 1 << 20


TOO_MANY_WAIT = "all threads of this process that may wait for clients did so (most of GLASSBOX_API_THREADS)"


class SlowClient(TimeoutError):
    """A client sent a body or read a response too slowly."""


@dataclass(frozen=True)
class ClientLimits:
    """Limits for each client of the HTTP server, from the settings of the same names.

    timeout, rate: the seconds that a client may stall, and the bytes per second that pay for them. waiting: the threads
    of a process that may wait for clients; bodies: the threads that may have requests with incomplete bodies.
    head_timeout: seconds for the whole head of a request. linger_seconds, linger_bytes: how long and how much a client
    may still send after a response that closes the connection.
    """

    timeout: float = 30.0
    rate: float = 1024.0
    waiting: int = 56
    bodies: int = 48
    head_timeout: float = 10.0
    linger_seconds: float = 30.0
    linger_bytes: int = 2 << 30


class WaitingClients:
    """The clients for which threads of this process wait. If there are too many, the slowest is disconnected."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._clients: set[ClientSocket] = set()

    @contextmanager
    def place(self, client: ClientSocket, *, sends: bool) -> Iterator[None]:
        """Count this client as waiting during the block. sends: whether it sends a body; else it reads a response."""
        client.waits_since = time.monotonic()
        client.sends = sends
        with self._lock:
            self._clients.add(client)
            if len(self._clients) > self._most:
                self._interrupt_slowest()
        try:
            yield
        finally:
            with self._lock:
                self._clients.discard(client)

    def interrupt(self, most: int, stall_seconds: float) -> None:
        """Disconnect up to `most` clients, the slowest ones, whose debt is at least this."""
        with self._lock:
            for _ in range(most):
                if not self._clients or max(map(ClientSocket.debt, self._clients)) < stall_seconds:
                    return
                self._interrupt_slowest()

    def _interrupt_slowest(self) -> None:
        slowest = max(self._clients, key=ClientSocket.debt)
        self._clients.remove(slowest)
        slowest.interrupt()


class ClientSocket(socket.socket):
    """A socket that blocks like an ordinary one, within the limits. Raises `SlowClient`.

    The operating system's socket is non-blocking; Python's time limit is kept in `_limit`. `on_wait` is called before a
    wait that is not short. `failed_to_read` is true once the client has read a response too slowly.
    """

    def __init__(self, accepted: socket.socket, limits: ClientLimits, waiting: WaitingClients) -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        super().setblocking(False)
        self._limits = limits
        self._waiting = waiting
        self._debt = 0.0
        self._limit: float | None = None
        self._interruption = ""  # why another client is preferred
        self.waits_since = 0.0
        self.sends = False
        self.failed_to_read = False
        self.on_wait: Callable[[], None] = lambda: None

    def begin_request(self) -> None:
        """Forget the debt of the connection's last request."""
        self._debt = 0.0

    def debt(self) -> float:
        """Return the debt in seconds, the present wait included."""
        return self._debt + time.monotonic() - self.waits_since

    def interrupt_body(self, reason: str) -> None:
        """Receive no more of the body: the client is the slowest of several, and `reason` says why one must end."""
        self.sends = True
        self.interrupt(reason)

    def interrupt(self, reason: str = TOO_MANY_WAIT) -> None:
        """End the thread's wait for this client, which is the slowest of too many."""
        self._interruption = reason
        with suppress(OSError):  # the client may have disconnected
            self.shutdown(socket.SHUT_RD if self.sends else socket.SHUT_RDWR)

    def receive_now(self, size: int) -> bytes | None:
        """Return the bytes that are there, empty at the end; None if there are none yet. Raises OSError."""
        try:
            return super().recv(size)
        except BlockingIOError:
            return None

    def setblocking(self, flag: bool) -> None:
        """Leave the socket as it is. gunicorn switches it between its event loop and the threads."""

    def settimeout(self, value: float | None) -> None:
        """Limit each following wait to this many seconds."""
        self._limit = value

    def gettimeout(self) -> float | None:
        """Return the limit of a wait in seconds."""
        return self._limit

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive bytes, empty at the end."""
        while True:
            try:
                received = super().recv(size, flags)
            except BlockingIOError:
                self._wait(sends=True)
            else:
                if not received and self._interruption:
                    raise SlowClient(self._complaint(sends=True))
                self._pay(len(received))
                return received

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all the bytes."""
        rest = memoryview(data).cast("B")
        while rest:
            try:
                sent = super().send(rest, flags)
            except BlockingIOError:
                self._wait(sends=False)
            else:
                self._pay(sent)
                rest = rest[sent:]

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send `count` bytes of a file, by default all to its end. Return how many were sent."""
        sent = 0
        while count is None or sent < count:
            size = BLOCK if count is None else min(BLOCK, count - sent)
            try:
                moved = os.sendfile(self.fileno(), file.fileno(), offset + sent, size)
            except BlockingIOError:
                self._wait(sends=False)
                continue
            if moved == 0:
                break
            self._pay(moved)
            sent += moved
        return sent

    def _pay(self, count: int) -> None:
        if self._debt:
            self._debt = max(0.0, self._debt - count / self._limits.rate)

    def _wait(self, *, sends: bool) -> None:
        event = select.POLLIN if sends else select.POLLOUT
        poll = select.poll()
        poll.register(self, event)
        if poll.poll(SHORT_SECONDS * 1000):
            return
        self.on_wait()
        left = self._limits.timeout - self._debt
        seconds = left if self._limit is None else min(left, self._limit)
        with self._waiting.place(self, sends=sends):
            is_ready = not self._interruption and seconds > 0 and bool(poll.poll(seconds * 1000))
        self._debt = self.debt()
        if is_ready and not self._interruption:
            return
        if self._limit is not None and seconds == self._limit and not self._interruption:
            raise TimeoutError("the socket's own time limit has passed")
        self.failed_to_read |= not sends
        raise SlowClient(self._complaint(sends=sends))

    def _complaint(self, *, sends: bool) -> str:
        what = "sent the request's body" if sends else "read the response"
        limits = self._limits
        if self._interruption:
            return f"the client {what} more slowly than the others, and {self._interruption}"
        return (
            f"the client {what} too slowly: it stalled for {limits.timeout:g} s (GLASSBOX_CLIENT_TIMEOUT), or remained"
            f" below {limits.rate:g} bytes per second (GLASSBOX_CLIENT_RATE)"
        )
