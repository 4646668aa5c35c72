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
SILENCE_SECONDS = 45.0  # the server sends a keep-alive comment every 15 s
POLL_SECONDS = 1.0
PATIENCE = Retries(attempts=60, within=60.0, longest_pause=3.0)  # of a server that does not answer: it may restart


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
            for event in _streamed(transport, route, after, deadline):
                after, over, failures, waited = event.id, event.ends, 0, 0.0
                yield event
            if over or _nothing_follows(transport, route, after, job_id):
                return
            error: Exception | None = None
        except Unavailable as refused:
            if refused.code == "too_many_event_streams":
                yield from _polled(transport, route, after, job_id, deadline)
                return
            error = refused
        except (NotReachable, httpx.TransportError) as broken:
            error = broken
        _check(deadline, job_id)
        failures += 1
        pause = PATIENCE.pause(failures, waited, getattr(error, "retry_after", None))
        if pause is None:
            if isinstance(error, Refused | NotReachable):
                raise error
            raise NotReachable(f"{transport.url} repeatedly ends the job's event stream: {error}")
        time.sleep(pause)
        waited += pause


def _streamed(transport: Transport, route: str, after: str | None, deadline: float | None) -> Iterator[Event]:
    """Return the events of one stream, until it ends or the deadline has passed."""
    silence = SILENCE_SECONDS if deadline is None else max(0.05, min(SILENCE_SECONDS, deadline - time.monotonic()))
    headers = {"Accept": "text/event-stream", **({"Last-Event-ID": after} if after else {})}
    with transport.opened(route, headers=headers, read_timeout=silence, retries=NEVER) as response:
        if response.status_code != 204:
            yield from parsed(response.iter_lines())


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
        _check(deadline, job_id)
        if len(items) < PAGE:
            time.sleep(POLL_SECONDS)


def _nothing_follows(transport: Transport, route: str, after: str | None, job_id: str) -> bool:
    """Return whether a stream ended because the job is over, and not because the server stops."""
    is_over = transport.get(path_to("jobs", job_id))["state"] in TERMINAL
    return is_over and not transport.get(route, after=after, limit=1)["items"]


def _check(deadline: float | None, job_id: str) -> None:
    if deadline is not None and time.monotonic() >= deadline:
        raise StillRunning(f"job {job_id} did not end within the timeout; it continues on the server")
