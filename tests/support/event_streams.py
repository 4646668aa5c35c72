"""Server-sent events as a client reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

ACCEPT = {"Accept": "text/event-stream"}


@dataclass(frozen=True)
class ServerSentEvent:
    """One event that a stream has dispatched."""

    id: str
    type: str
    data: dict[str, Any]


def read_events(lines: Iterable[str]) -> Iterator[ServerSentEvent]:
    """Yield the events in a stream's lines, by the rules of WHATWG's HTML standard that Glassbox uses."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            if name:  # else it is a comment
                assert name not in fields, f"{name} twice in one event"
                fields[name] = value
        else:
            if "data" in fields:
                yield ServerSentEvent(fields["id"], fields["event"], json.loads(fields["data"]))
            fields = {}


def states(events: Iterable[ServerSentEvent]) -> list[str]:
    """Return the states in the events, in order."""
    return [event.data["state"] for event in events if event.type == "state"]
