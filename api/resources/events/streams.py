"""A job's log as server-sent events: live, resumable after any event, closed when the job ends.

An open stream blocks one server thread, which waits for Redis. So gunicorn has extra threads for the maximum number of
streams (`services/api/gunicorn.conf.py`), and more streams are rejected: streams never take the threads of other
requests. A waiting thread costs little.
"""

from __future__ import annotations

import json
import logging
import re
import select
import socket
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from threading import BoundedSemaphore
from typing import Any

from flask import Response, request
from redis import RedisError

from api.requests import accepted
from shared.errors import FieldError, Invalid, NotFound, Unavailable
from shared.jobs import Event, Job, JobStore, State
from shared.runtime.redis_faults import explained
from shared.runtime.settings import Settings

log = logging.getLogger(__name__)

EVENT_STREAM = "text/event-stream"
EVENT_ID = r"[0-9]{1,19}-[0-9]{1,19}"
RECONNECT_MS = 2000  # a client's delay before it reconnects
POLL_SECONDS = 1.0  # a stream's longest wait for Redis before it checks its other end conditions
BATCH_EVENTS = 100  # maximum number of events per read

READABLE = select.POLLIN | select.POLLHUP | select.POLLERR


class EventStreams:
    """The open streams of one process."""

    def __init__(self, jobs: JobStore, settings: Settings) -> None:
        self._jobs = jobs
        self._max = settings.max_event_streams
        self._slots = BoundedSemaphore(self._max)
        self.ping_seconds = settings.event_ping_seconds
        self._client_timeout = settings.client_timeout
        self.poll_seconds = min(POLL_SECONDS, settings.redis_timeout / 2)
        self.serving: Callable[[], bool] = lambda: True  # false during shutdown, which ends every stream

    def open(self, job: Job, after: str | None, connection: Connection) -> Response:
        """Return a response that streams the job's events after `after`.

        The response is 204 if the job has ended and no events remain; then a browser's EventSource does not reconnect.
        Raises `Unavailable` if this process has its maximum number of open streams.
        """
        if job.state.is_terminal and not self._jobs.events(job.id, after, 1):
            return Response(status=204)
        return self.respond(self._lines(job, after, connection), f"poll /v1/jobs/{job.id} instead")

    def respond(self, text: Iterator[str], instead: str) -> Response:
        """Return a response with the stream's text. instead: what a client can do if no more streams may be open.

        Raises `Unavailable` if this process has its maximum number of open streams.
        """
        if not self._slots.acquire(blocking=False):
            detail = f"this process has {self._max} open event streams, its maximum; {instead}"
            raise Unavailable("too_many_event_streams", detail, retry_after=5)
        response = Response(text, content_type=EVENT_STREAM)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Accel-Buffering"] = "no"
        release_slot = weakref.finalize(response, self._slots.release)  # runs even if the response is never sent
        response.call_on_close(release_slot)
        return response

    def can_send(self, connection: Connection, what: str) -> bool:
        """Return whether the stream of `what` may continue: the server is not shutting down, and the client reads."""
        if not self.serving() or not connection.is_open():
            return False
        if connection.takes_bytes(self._client_timeout):
            return True
        log.info("%s: closed an event stream, because its client reads no bytes", what)
        return False

    def _lines(self, job: Job, after: str | None, connection: Connection) -> Iterator[str]:
        """Yield the stream's text until it ends."""
        yield f"retry: {RECONNECT_MS}\n\n"
        sent_at = time.monotonic()
        ended = job.state.is_terminal
        while self.can_send(connection, f"job {job.id}"):
            if time.monotonic() - sent_at > self.ping_seconds:
                sent_at = time.monotonic()
                yield ": ping\n\n"
            try:
                events = self._read(job.id, after, wait=not ended)
                if not events and ended:
                    return
                ended = ended if events else self._has_ended(job.id)  # then one more read reaches the log's end
            except RedisError as error:
                log.warning("job %s: an event stream waits for Redis: %s", job.id, explained(error))
                time.sleep(self.poll_seconds)
                continue
            for event in events:
                after, sent_at = event.id, time.monotonic()
                yield encoded(event)
                if event.type == "state":
                    ended = State(event.data["state"]).is_terminal

    def _read(self, job_id: str, after: str | None, *, wait: bool) -> list[Event]:
        if wait:
            return self._jobs.follow(job_id, after, self.poll_seconds, BATCH_EVENTS)
        return self._jobs.events(job_id, after, BATCH_EVENTS)

    def _has_ended(self, job_id: str) -> bool:
        """Return whether the job has ended or was deleted."""
        try:
            return self._jobs.get(job_id).state.is_terminal
        except NotFound:
            return True


def encoded(event: Event) -> str:
    """Encode an event as text/event-stream. Its data are the log entry's data and time."""
    data = json.dumps({"time": event.time, **event.data}, ensure_ascii=False)
    return f"id: {event.id}\nevent: {event.type}\ndata: {data}\n\n"


class Connection:
    """The state of a client's socket. Only the server reads from it and writes to it.

    If the server exposes no socket, as in tests, the client counts as connected.
    """

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._socket: socket.socket | None = environ.get("gunicorn.socket")

    def is_open(self) -> bool:
        """Return whether the client has not closed the connection."""
        if self._socket is None or not self._ready(READABLE, 0.0):
            return True
        try:
            peeked = socket.socket.recv(self._socket, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)  # below TLS
        except BlockingIOError:
            return True
        except OSError:
            return False
        return peeked != b""

    def takes_bytes(self, within: float) -> bool:
        """Return whether the socket becomes writable within this many seconds."""
        return self._socket is None or self._ready(select.POLLOUT, within)

    def _ready(self, events: int, within: float) -> bool:
        assert self._socket is not None
        poll = select.poll()
        poll.register(self._socket, events)
        return bool(poll.poll(within * 1000))


def prefers_stream() -> bool:
    """Return whether the client prefers a stream to JSON, or accepts both equally and names the stream's type."""
    stream, page = accepted.quality(EVENT_STREAM), accepted.quality("application/json")
    return stream > page or (accepted.names(EVENT_STREAM) and stream == page > 0)


def last_event_id() -> str | None:
    """Return the id of the last event that a reconnecting client received. Raises `Invalid`."""
    given = request.headers.get("Last-Event-ID")
    if given and not re.fullmatch(EVENT_ID, given):
        reason = f"must be the id of an event, such as 1700000000000-0; got {given!r}"
        raise Invalid("validation_failed", f"Last-Event-ID: {reason}", [FieldError(reason, parameter="Last-Event-ID")])
    return given
