"""A job's events: a stream of server-sent events that resumes after a broken connection, or polling."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from glassbox.errors import NotReachable, Refused, StillRunning, Unavailable
from glassbox.http.reading import read
from glassbox.http.retrying import NEVER, Retries
from glassbox.http.routes import path_to
from glassbox.http.transport import PAGE, Transport

TERMINAL = frozenset({"succeeded", "completed_with_errors", "failed", "cancelled"})
IDLE_SECONDS = 45.0  # without any byte of a stream: the server sends a keep-alive comment every 15 s
POLL_SECONDS = 1.0
RECONNECTS = Retries(attempts=60, within=60.0, longest_pause=3.0)  # the server may be restarting


@dataclass(frozen=True)
class Event:
    """An event of a job. type: `state`, `progress`, `epoch`, or a type of a newer server."""

    id: str
    type: str
    time: str
    data: dict[str, Any]

    @property
    def ends(self) -> bool:
        """Whether the job has ended with this event."""
        return self.type == "state" and self.data.get("state") in TERMINAL


def follow(
    transport: Transport, job_id: str, after: str | None = None, timeout: float | None = None
) -> Iterator[Event]:
    """Return the job's events after the event `after`, each once and in order, up to the job's end.

    timeout: seconds after which `StillRunning` is raised. Raises `NotReachable` if the server does not answer for a
    minute.
    """
    route = path_to("jobs", job_id, "events")
    deadline = None if timeout is None else time.monotonic() + timeout
    over = False
    failures, waited = 0, 0.0
    while True:
        try:
            for event in _streamed(transport, route, after, deadline, job_id):
                after, over, failures, waited = event.id, event.ends, 0, 0.0
                yield event
                if not over:
                    _check_deadline(deadline, job_id)
            if over or _has_ended(transport, route, after, job_id):
                return
            error: Exception | None = None
        except Unavailable as refused:
            if refused.code == "too_many_event_streams":
                yield from _polled(transport, route, after, job_id, deadline)
                return
            error = refused
        except (NotReachable, httpx.TransportError) as broken:
            error = broken
        _check_deadline(deadline, job_id)
        failures += 1
        pause = RECONNECTS.pause(failures, waited, getattr(error, "retry_after", None))
        if pause is None:
            if isinstance(error, Refused | NotReachable):
                raise error
            raise NotReachable(f"{transport.url} repeatedly ends the job's event stream: {error}")
        time.sleep(pause)
        waited += pause


def _streamed(
    transport: Transport, route: str, after: str | None, deadline: float | None, job_id: str
) -> Iterator[Event]:
    """Return the events of one stream, until it ends.

    Raises `httpx.ReadTimeout` if no byte arrives for `IDLE_SECONDS`, or for the time left at the stream's start, and
    `StillRunning` at the first keep-alive comment after the deadline.
    """
    read_timeout = IDLE_SECONDS if deadline is None else max(0.05, min(IDLE_SECONDS, deadline - time.monotonic()))
    headers = {"Accept": "text/event-stream", **({"Last-Event-ID": after} if after else {})}
    with transport.opened(route, headers=headers, read_timeout=read_timeout, retries=NEVER) as response:
        if response.status_code != 204:
            yield from parsed(_checked(response.iter_lines(), deadline, job_id))


def _checked(lines: Iterable[str], deadline: float | None, job_id: str) -> Iterator[str]:
    """Return the lines of a stream; check the deadline at each comment."""
    for line in lines:
        if line.startswith(":"):
            _check_deadline(deadline, job_id)
        yield line


def parsed(lines: Iterable[str]) -> Iterator[Event]:
    """Return the events in the lines of a stream; an incomplete last event is omitted."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if "id" in fields and "data" in fields:
                data = json.loads(fields["data"])
                moment = str(data.pop("time", ""))
                yield Event(fields["id"], fields.get("event", "message"), moment, data)
            fields = {}
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        fields[name] = f"{fields[name]}\n{value}" if name == "data" and "data" in fields else value


def _polled(
    transport: Transport, route: str, after: str | None, job_id: str, deadline: float | None
) -> Iterator[Event]:
    """Return the events page by page, by polling."""
    while True:
        over = transport.get(path_to("jobs", job_id))["state"] in TERMINAL
        items = transport.get(route, after=after, limit=PAGE)["items"]
        for item in items:
            event = read(Event, item)
            after = event.id
            yield event
        if over and not items:
            return
        _check_deadline(deadline, job_id)
        if len(items) < PAGE:
            time.sleep(POLL_SECONDS)


def _has_ended(transport: Transport, route: str, after: str | None, job_id: str) -> bool:
    """Return whether the job has ended and has no event after `after`.

    A stream also ends if the server shuts down, and then the job continues.
    """
    is_over = transport.get(path_to("jobs", job_id))["state"] in TERMINAL
    return is_over and not transport.get(route, after=after, limit=1)["items"]


def _check_deadline(deadline: float | None, job_id: str) -> None:
    if deadline is not None and time.monotonic() >= deadline:
        raise StillRunning(f"job {job_id} did not end within the timeout; it continues on the server")
