"""A job's log as server-sent events: live, resumed behind any event, ended with the job.

A stream holds a thread of the server and waits in it for Redis. So gunicorn has a thread for each stream that may be
open beside those for the requests (`services/api/gunicorn.conf.py`), and more streams than that are refused: however
many there are, none takes a thread that a request needs. A waiting thread costs next to nothing.
"""

from __future__ import annotations

import json
import logging
import select
import socket
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from threading import BoundedSemaphore
from typing import Any

from flask import Response
from redis import RedisError

from shared.errors import NotFound, Unavailable
from shared.jobs import Event, Job, JobStore, State
from shared.runtime.redis_faults import explained
from shared.runtime.settings import Settings

log = logging.getLogger(__name__)

EVENT_STREAM = "text/event-stream"
RECONNECT_MS = 2000  # after which time a client that lost its connection comes again
LOOK_SECONDS = 1.0  # how long a stream waits for Redis before it looks at what else could end it
AT_ONCE = 100  # events in one reading

READABLE = select.POLLIN | select.POLLHUP | select.POLLERR


class EventStreams:
    """The open streams of one process."""

    def __init__(self, jobs: JobStore, settings: Settings) -> None:
        self._jobs = jobs
        self._most = settings.max_event_streams
        self._places = BoundedSemaphore(self._most)
        self._ping_seconds = settings.event_ping_seconds
        self._client_timeout = settings.client_timeout
        self._look_seconds = min(LOOK_SECONDS, settings.redis_timeout / 2)
        self.serving: Callable[[], bool] = lambda: True  # false when the server stops: every stream ends then

    def open(self, job: Job, after: str | None, connection: Connection) -> Response:
        """The stream of the job's events behind `after`, as a response.

        Nothing (204) where the job is over and all is told: by that a browser's EventSource knows not to come again.
        Raises `Unavailable` where as many streams are open as this process may have.
        """
        if job.state.is_terminal and not self._jobs.events(job.id, after, 1):
            return Response(status=204)
        if not self._places.acquire(blocking=False):
            detail = (
                f"{self._most} event streams are open here, and there may be no more: poll /v1/jobs/{job.id} instead"
            )
            raise Unavailable("too_many_event_streams", detail, retry_after=5)
        response = Response(self._lines(job, after, connection), content_type=EVENT_STREAM)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Accel-Buffering"] = "no"
        free_place = weakref.finalize(response, self._places.release)  # also where the response is never sent
        response.call_on_close(free_place)
        return response

    def _lines(self, job: Job, after: str | None, connection: Connection) -> Iterator[str]:
        """The stream's text, piece by piece, to its end."""
        yield f"retry: {RECONNECT_MS}\n\n"
        told_at = time.monotonic()
        over = job.state.is_terminal
        while self.serving() and connection.is_open():
            if not connection.takes_bytes(self._client_timeout):
                log.info("job %s: an event stream ends, its client takes no bytes", job.id)
                return
            if time.monotonic() - told_at > self._ping_seconds:
                told_at = time.monotonic()
                yield ": ping\n\n"
            try:
                events = self._read(job.id, after, wait=not over)
                if not events and over:
                    return
                over = over if events else self._is_over(job.id)  # then the log is read once more, to its end
            except RedisError as error:
                log.warning("job %s: an event stream waits: %s", job.id, explained(error))
                time.sleep(self._look_seconds)
                continue
            for event in events:
                after, told_at = event.id, time.monotonic()
                yield encoded(event)
                if event.type == "state":
                    over = State(event.data["state"]).is_terminal

    def _read(self, job_id: str, after: str | None, *, wait: bool) -> list[Event]:
        if wait:
            return self._jobs.follow(job_id, after, self._look_seconds, AT_ONCE)
        return self._jobs.events(job_id, after, AT_ONCE)

    def _is_over(self, job_id: str) -> bool:
        """Whether the job has ended, or was deleted."""
        try:
            return self._jobs.get(job_id).state.is_terminal
        except NotFound:
            return True


def encoded(event: Event) -> str:
    """One event as the protocol writes it; its data are what the log has, and the time."""
    data = json.dumps({"time": event.time, **event.data}, ensure_ascii=False)
    return f"id: {event.id}\nevent: {event.type}\ndata: {data}\n\n"


class Connection:
    """A client's socket, which is only looked at, never read or written: that is the server's to do.

    A server that shows no socket, as that of the tests, is taken to have a client who stays.
    """

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._socket: socket.socket | None = environ.get("gunicorn.socket")

    def is_open(self) -> bool:
        """Whether the client has not closed its side."""
        if self._socket is None or not self._ready(READABLE, 0.0):
            return True
        try:
            peeked = socket.socket.recv(self._socket, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)  # beneath TLS, too
        except BlockingIOError:
            return True
        except OSError:
            return False
        return peeked != b""

    def takes_bytes(self, within: float) -> bool:
        """Whether the client takes more bytes, or begins to within so many seconds."""
        return self._socket is None or self._ready(select.POLLOUT, within)

    def _ready(self, events: int, within: float) -> bool:
        assert self._socket is not None
        poll = select.poll()
        poll.register(self._socket, events)
        return bool(poll.poll(within * 1000))
