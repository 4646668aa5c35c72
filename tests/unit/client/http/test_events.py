"""A job's log is read once and in order, however often the connection breaks, and whatever is between us and it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from glassbox import NotFound, NotReachable, Retries, StillRunning
from glassbox.http.events import Event, follow, parsed
from glassbox.http.transport import Transport

from tests.support.servers.scripted import Reply, Scripted, content, document, problem, scripted

QUEUED, RUNNING, DONE = (
    {"id": "1-0", "type": "state", "time": "t", "data": {"state": "queued"}},
    {"id": "2-0", "type": "state", "time": "t", "data": {"state": "running"}},
    {"id": "3-0", "type": "state", "time": "t", "data": {"state": "succeeded"}},
)
EVERYTHING = ["1-0", "2-0", "3-0"]
OVER, GOES_ON = document({"state": "succeeded"}), document({"state": "running"})
NO_MORE = document({"items": [], "next": None})


@contextmanager
def served(*replies: Reply) -> Iterator[tuple[Scripted, Transport]]:
    with scripted(*replies) as server:
        transport = Transport(server.url, retries=Retries(first_pause=0.001))
        try:
            yield server, transport
        finally:
            transport.close()


def stream(*events: dict[str, Any], cut: int | None = None) -> Reply:
    text = "retry: 2000\n\n: ping\n\n" + "".join(
        f"id: {event['id']}\nevent: {event['type']}\ndata: {json.dumps({'time': event['time'], **event['data']})}\n\n"
        for event in events
    )
    return content(text.encode(), cut=cut and len(text) - cut, headers={"Content-Type": "text/event-stream"})


def ids(events: Iterator[Event]) -> list[str]:
    return [event.id for event in events]


def test_a_stream_is_followed_to_the_jobs_end() -> None:
    with served(stream(QUEUED, RUNNING, DONE)) as (server, transport):
        events = list(follow(transport, "job"))
    assert [event.id for event in events] == EVERYTHING
    assert events[-1].ends
    assert events[0] == Event("1-0", "state", "t", {"state": "queued"})
    assert len(server.requests) == 1


def test_a_stream_that_breaks_goes_on_behind_the_last_event() -> None:
    with served(stream(QUEUED, RUNNING, cut=4), stream(RUNNING, DONE)) as (server, transport):
        assert ids(follow(transport, "job")) == EVERYTHING
    assert [request.headers.get("last-event-id") for request in server.requests] == [None, "1-0"]


def test_a_stream_that_a_stopping_server_ends_goes_on() -> None:
    with served(stream(QUEUED), GOES_ON, stream(RUNNING, DONE)) as (_, transport):
        assert ids(follow(transport, "job")) == EVERYTHING


def test_where_a_job_is_over_and_all_is_told_there_is_nothing_to_follow() -> None:
    with served(content(b"", 204), OVER, NO_MORE) as (_, transport):
        assert ids(follow(transport, "job", after="3-0")) == []


def test_where_too_many_streams_are_open_the_log_is_polled() -> None:
    replies = (
        problem(503, "too_many_event_streams", headers={"Retry-After": "5"}),
        OVER,
        document({"items": [QUEUED, RUNNING, DONE], "next": None}),
        OVER,
        NO_MORE,
    )
    with served(*replies) as (server, transport):
        # a page that is not full means that the log ends there for now
        assert ids(follow(transport, "job")) == EVERYTHING
    assert server.requests[-1].path == "/v1/jobs/job/events?after=3-0&limit=500"


def test_a_job_that_is_not_there_is_told_of_at_once() -> None:
    with served(problem(404, "job_not_found")) as (server, transport):
        with pytest.raises(NotFound):
            ids(follow(transport, "job"))
        assert len(server.requests) == 1


def test_a_time_that_is_over_is_told_of() -> None:
    with (
        served(stream(QUEUED), GOES_ON) as (_, transport),
        pytest.raises(StillRunning, match="goes on"),
    ):
        ids(follow(transport, "job", timeout=0.01))


def test_data_on_several_lines_and_types_that_are_not_known_are_read() -> None:
    lines = ["id: 1-0", "event: new", 'data: {"time": "t",', 'data: "what": 1}', ""]
    assert list(parsed(lines)) == [Event("1-0", "new", "t", {"what": 1})]


def test_half_an_event_is_none() -> None:
    assert list(parsed(["id: 1-0", 'data: {"time": "t"}'])) == []


def test_a_server_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glassbox.http.events.PATIENCE", Retries(attempts=3, first_pause=0.001))
    with served(content(b"", 502)) as (server, transport):
        with pytest.raises(NotReachable):
            ids(follow(transport, "job"))
        assert len(server.requests) == 3
