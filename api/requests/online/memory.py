"""A limit on the memory that a process's requests for predictions hold together.

Bodies and decoded images share a number of bytes, and responses that are sent share as many; a request waits until its
part is free. If bodies wait, the body that would arrive last ends, so that slow clients do not keep the memory. Only
one large request at a time is parsed and classified, because that takes a multiple of its size.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.wsgi import ClosingIterator

from shared.errors import TooLarge, Unavailable

ENVIRON = "glassbox.online_memory"
SETTING = "GLASSBOX_ONLINE_REQUEST_BYTES"
SMALL = 64 * 1024  # bytes; small requests are not counted: one for each thread fits beside the others
WAIT_SECONDS = 10.0


SLOW_AFTER_SECONDS = 2.0  # of a body, until its rate is known
SLOW_SECONDS = 5.0  # until a body is complete, at its rate


@dataclass(eq=False)
class IncomingBody:
    """A body that is received: its size in bytes, how many are there, and what ends it with a reason."""

    size: int
    interrupt: Callable[[str], None]
    received: int = 0
    since: float = field(default_factory=time.monotonic)

    def age(self) -> float:
        """Return the seconds since the body began."""
        return time.monotonic() - self.since

    def seconds_left(self) -> float:
        """Return the time until the body is complete, at the rate since it began; 0 if that is not known yet."""
        age = self.age()
        return (self.size - self.received) * age / max(self.received, 1) if age >= SLOW_AFTER_SECONDS else 0.0


class OnlineMemory:
    """The memory of one process for requests: `limit` bytes for bodies, and as many for responses."""

    def __init__(self, limit: int, wait_seconds: float = WAIT_SECONDS) -> None:
        self._limit = limit
        self._wait_seconds = wait_seconds
        self._bodies = 0
        self._responses = 0
        self._is_working = False
        self._incoming: set[IncomingBody] = set()
        self._changed = Condition()

    def take_for_body(self, size: int, more: int) -> None:
        """Take `more` bytes for a request, which then has `size`. Raises `TooLarge` or `Unavailable`."""
        if size > self._limit:
            raise TooLarge(
                "request_too_large",
                f"the body and the images of this request take {size} bytes of memory, and {SETTING} is {self._limit};"
                " send fewer or smaller images, or submit a batch job",
            )
        with self._changed:
            self._wait_for(lambda: self._bodies + more <= self._limit, self._interrupt_slowest)
            self._bodies += more

    @contextmanager
    def receive(self, body: IncomingBody) -> Iterator[None]:
        """End this body within the block if it is the slowest one and others wait for the memory."""
        with self._changed:
            self._incoming.add(body)
        try:
            yield
        finally:
            with self._changed:
                self._incoming.discard(body)

    def take_for_response(self, size: int) -> None:
        """Take bytes for a response. Raises `Unavailable`."""
        with self._changed:
            self._wait_for(lambda: not self._responses or self._responses + size <= self._limit)
            self._responses += size

    def start_work(self) -> None:
        """Take the place of the one large request that is processed. Raises `Unavailable`."""
        with self._changed:
            self._wait_for(lambda: not self._is_working)
            self._is_working = True

    def give_back(self, bodies: int, responses: int, *, end_work: bool) -> None:
        """Return bytes, and the place of the large request."""
        with self._changed:
            self._bodies -= bodies
            self._responses -= responses
            self._is_working = self._is_working and not end_work
            self._changed.notify_all()

    def _interrupt_slowest(self) -> None:
        slowest = max(self._incoming, key=IncomingBody.seconds_left, default=None)
        if slowest is not None and slowest.seconds_left() > SLOW_SECONDS:
            self._incoming.remove(slowest)
            slowest.interrupt(f"other requests wait for its memory ({SETTING} is {self._limit})")

    def _wait_for(self, is_free: Callable[[], bool], on_second: Callable[[], None] = lambda: None) -> None:
        """Wait until memory is free; `on_second` is called each second meanwhile."""
        end = time.monotonic() + self._wait_seconds
        while not self._changed.wait_for(is_free, max(0.0, min(1.0, end - time.monotonic()))):
            on_second()
            if time.monotonic() < end:
                continue
            raise memory_busy(f"other large requests use the memory of this process ({SETTING} is {self._limit})")


def memory_busy(reason: str) -> Unavailable:
    """Return the error of a request that has waited too long for memory."""
    return Unavailable("memory_busy", f"{reason}; send the request again, or submit a batch job")


class Held:
    """What one request holds of the memory."""

    def __init__(self, memory: OnlineMemory) -> None:
        self._memory = memory
        self._body = 0
        self._response = 0
        self._is_working = False

    def body(self, size: int) -> None:
        """Hold at least this many bytes for the body or images. Raises `TooLarge` or `Unavailable`."""
        if size > max(self._body, SMALL):
            self._memory.take_for_body(size, size - self._body)
            self._body = size

    @contextmanager
    def receive(self, size: int, interrupt: Callable[[str], None]) -> Iterator[IncomingBody]:
        """Receive a body of at most `size` bytes in the block. `interrupt` ends it if others wait for its memory."""
        body = IncomingBody(size, interrupt)
        with self._memory.receive(body):
            yield body

    def work(self, size: int) -> None:
        """Wait until no other large request is processed, if `size`, in bytes, is large. Raises `Unavailable`."""
        if size > SMALL and not self._is_working:
            self._memory.start_work()
            self._is_working = True

    def response(self, size: int) -> None:
        """Hold at least this many bytes until the response is sent, and work on it. Raises `Unavailable`."""
        self.work(size)
        if size > max(self._response, SMALL):
            self._memory.take_for_response(size - self._response)
            self._response = size

    def answered(self) -> bool:
        """Return all but the response's bytes. Return whether there are any."""
        if self._body or self._is_working:
            self._memory.give_back(self._body, 0, end_work=self._is_working)
            self._body, self._is_working = 0, False
        return self._response > 0

    def close(self) -> None:
        """Return everything."""
        if self.answered():
            self._memory.give_back(0, self._response, end_work=False)
            self._response = 0


def held(environ: WSGIEnvironment) -> Held:
    """Return what a request holds."""
    found: Held = environ[ENVIRON]
    return found


class HoldMemory:
    """A WSGI middleware that gives each request a `Held`, and closes it when the response is sent."""

    def __init__(self, application: WSGIApplication, memory: OnlineMemory) -> None:
        self.application = application
        self._memory = memory

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Handle a request."""
        own = environ[ENVIRON] = Held(self._memory)
        try:
            response = self.application(environ, start_response)
        except BaseException:
            own.close()
            raise
        return ClosingIterator(response, own.close) if own.answered() else response
