"""The events of all jobs in one stream, which continues after a broken connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from glassbox.errors import NotReachable, Refused, Unavailable
from glassbox.http.events import IDLE_SECONDS, RECONNECTS, parsed
from glassbox.http.retrying import NEVER
from glassbox.http.routes import path_to
from glassbox.http.transport import Transport


@dataclass(frozen=True)
class AnyEvent:
    """An event of any job. id: its position among the events of all jobs. type, data: those in the job's own log.

    An event `missed`, without a job, says that the server no longer keeps events that this client has not received.
    """

    id: str
    type: str
    time: str
    job: str | None
    kind: str | None
    model: str | None
    data: dict[str, Any]


def follow_all(transport: Transport, after: str | None = None, **filters: str | None) -> Iterator[AnyEvent]:
    """Return the events of all jobs as they happen, without end: those after the event `after`, else from now on.

    Raises `NotReachable` if the server does not answer for a minute.
    """
    position, failures, waited = after, 0, 0.0

    def note(seen: str) -> None:
        nonlocal position, failures, waited
        position, failures, waited = seen, 0, 0.0

    while True:
        error: Exception | None = None
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": position} if position else {})}
        try:
            with transport.opened(
                path_to("events"), params=filters, headers=headers, read_timeout=IDLE_SECONDS, retries=NEVER
            ) as response:
                for event in parsed(_noted(response.iter_lines(), note)):
                    yield AnyEvent(id=event.id, type=event.type, time=event.time, **_fields(event.data))
        except (Unavailable, NotReachable, httpx.TransportError) as broken:
            error = broken
        failures += 1
        pause = RECONNECTS.pause(failures, waited, getattr(error, "retry_after", None))
        if pause is None:
            if isinstance(error, Refused | NotReachable):
                raise error
            raise NotReachable(f"{transport.url} repeatedly ends the event stream of all jobs: {error}")
        time.sleep(pause)
        waited += pause


def _fields(data: dict[str, Any]) -> dict[str, Any]:
    return {name: data.get(name) for name in ("job", "kind", "model")} | {"data": data.get("data", {})}


def _noted(lines: Iterable[str], note: Callable[[str], None]) -> Iterator[str]:
    """Return the lines; report each position at the end of its block, also if the block has no event."""
    position = ""
    for line in lines:
        if line.startswith("id:"):
            position = line.removeprefix("id:").strip()
        elif not line and position:
            note(position)
            position = ""
        yield line
