"""A job's log as server-sent events: live, resumable after any event, closed when the job ends.

An open stream occupies one server thread, which sleeps while another one sends the new events to all streams
(`broadcast.py`). So gunicorn has extra threads for the maximum number of streams (`services/api/gunicorn.conf.py`), and
more streams are rejected: streams never take the threads of other requests. A sleeping thread costs little.
"""

from __future__ import annotations

import json
import logging
import re
import time
import weakref
from collections.abc import Callable, Iterator
from threading import BoundedSemaphore

from flask import Response, request
from redis import RedisError

from api.auth.middleware import Authorizer
from api.requests import accepted
from api.resources.events.broadcast import BATCH_EVENTS, Broadcast, Follower
from api.resources.events.connection import Connection
from shared.errors import FieldError, Invalid, NotFound, Unavailable
from shared.jobs import Event, Job, JobStore, State
from shared.jobs.feed import START
from shared.jobs.feed.tails import Tails
from shared.runtime.redis_faults import explained
from shared.runtime.settings import Settings

log = logging.getLogger(__name__)

EVENT_STREAM = "text/event-stream"
EVENT_ID = r"[0-9]{1,19}-[0-9]{1,19}"
RECONNECT_MS = 2000  # a client's delay before it reconnects
POLL_SECONDS = 1.0  # a stream's longest wait for Redis before it checks its other end conditions


class EventStreams:
    """The open streams of one process."""

    def __init__(self, jobs: JobStore, tails: Tails, authorizer: Authorizer, settings: Settings) -> None:
        self._jobs = jobs
        self._authorizer = authorizer
        self._max = settings.max_event_streams
        self._slots = BoundedSemaphore(self._max)
        self.ping_seconds = settings.event_ping_seconds
        self._client_timeout = settings.client_timeout
        self.poll_seconds = min(POLL_SECONDS, settings.redis_timeout / 2)
        self.serving: Callable[[], bool] = lambda: True  # false during shutdown, which ends every stream
        self.broadcast = Broadcast(tails, self.poll_seconds, self.ping_seconds, self._may_send)

    def open(self, job: Job, after: str | None, connection: Connection) -> Response:
        """Return a response that streams the job's events after `after`.

        The response is 204 if the job has ended and no events remain; then a browser's EventSource does not reconnect.
        Raises `Unavailable` if this process has its maximum number of open streams.
        """
        if job.state.is_terminal and not self._jobs.events(job.id, after, 1):
            return Response(status=204)
        return self.respond(self._pieces(job, after, connection), f"poll /v1/jobs/{job.id} instead")

    def respond(self, text: Iterator[bytes], instead: str) -> Response:
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
        """Return whether the stream of `what` may continue, and its client reads."""
        if not self._may_send(connection):
            if not self._authorizer.still_admits(connection.environ):
                log.info("%s: closed an event stream, because its API key was revoked or changed", what)
            return False
        if connection.takes_bytes(self._client_timeout):
            return True
        log.info("%s: closed an event stream, because its client reads no bytes", what)
        return False

    def _may_send(self, connection: Connection) -> bool:
        """Return whether the server is not shutting down, and the client is connected and still has its key."""
        return self.serving() and connection.is_open() and self._authorizer.still_admits(connection.environ)

    def _pieces(self, job: Job, after: str | None, connection: Connection) -> Iterator[bytes]:
        """Yield the stream until it ends."""
        yield f"retry: {RECONNECT_MS}\n\n".encode()
        follower = Follower(connection, after or START)
        source = JobLog(job.id, self.has_ended)
        ended = job.state.is_terminal
        has_all = False
        while self.can_send(connection, f"job {job.id}"):
            if ping := follower.pings(self.ping_seconds):
                yield ping
            if has_all and not ended and (pieces := self.broadcast.follow(source, follower)) is not None:
                yield from pieces
                has_all = False
                continue
            try:
                events = self._read(job.id, follower.position, wait=has_all and not ended)
                if not events and ended:
                    return
                ended = ended if events else self.has_ended(job.id)  # then one more read reaches the log's end
            except RedisError as error:
                log.warning("job %s: an event stream waits for Redis: %s", job.id, explained(error))
                time.sleep(self.poll_seconds)
                continue
            has_all = len(events) < BATCH_EVENTS
            for event in events:
                follower.advance(event.id, sent=True)
                yield encoded(event)
                if event.type == "state":
                    ended = State(event.data["state"]).is_terminal

    def _read(self, job_id: str, after: str, *, wait: bool) -> list[Event]:
        if wait:
            return self._jobs.follow(job_id, after, self.poll_seconds, BATCH_EVENTS)
        return self._jobs.events(job_id, after, BATCH_EVENTS)

    def has_ended(self, job_id: str) -> bool:
        """Return whether the job has ended or was deleted."""
        try:
            return self._jobs.get(job_id).state.is_terminal
        except NotFound:
            return True


class JobLog:
    """A job's log, whose events a stream has in the same form as the log. has_ended: returns whether the job has."""

    def __init__(self, job_id: str, has_ended: Callable[[str], bool]) -> None:
        self.name = job_id
        self._has_ended = has_ended

    def encode(self, event: Event) -> bytes:
        """Encode an event as text/event-stream."""
        return encoded(event)

    def has_gap(self, _position: str, _event: Event) -> bool:
        """Return False: the log is complete."""
        return False

    def ends_with(self, event: Event) -> bool:
        """Return whether the event is the job's end."""
        return event.type == "state" and State(event.data["state"]).is_terminal

    def is_over(self, _position: str) -> bool:
        """Return whether the job has ended or was deleted."""
        return self._has_ended(self.name)


def encoded(event: Event) -> bytes:
    """Encode an event as text/event-stream. Its data are the log entry's data and time."""
    data = json.dumps({"time": event.time, **event.data}, ensure_ascii=False)
    return f"id: {event.id}\nevent: {event.type}\ndata: {data}\n\n".encode()


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
