"""A job's events are read once and in order, also after broken connections and behind proxies."""

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
OVER, RUNS = document({"state": "succeeded"}), document({"state": "running"})
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


def test_a_broken_stream_resumes_after_the_last_event() -> None:
    with served(stream(QUEUED, RUNNING, cut=4), stream(RUNNING, DONE)) as (server, transport):
        assert ids(follow(transport, "job")) == EVERYTHING
    assert [request.headers.get("last-event-id") for request in server.requests] == [None, "1-0"]


def test_a_stream_resumes_after_a_stopping_server_ended_it() -> None:
    with served(stream(QUEUED), RUNS, stream(RUNNING, DONE)) as (_, transport):
        assert ids(follow(transport, "job")) == EVERYTHING


def test_a_finished_job_has_no_events_after_its_last() -> None:
    with served(content(b"", 204), OVER, NO_MORE) as (_, transport):
        assert ids(follow(transport, "job", after="3-0")) == []


def test_events_are_polled_if_the_server_has_too_many_streams() -> None:
    replies = (
        problem(503, "too_many_event_streams", headers={"Retry-After": "5"}),
        OVER,
        document({"items": [QUEUED, RUNNING, DONE], "next": None}),
        OVER,
        NO_MORE,
    )
    with served(*replies) as (server, transport):
        # a page that is not full has the newest event
        assert ids(follow(transport, "job")) == EVERYTHING
    assert server.requests[-1].path == "/v1/jobs/job/events?after=3-0&limit=500"


def test_a_missing_job_is_reported_without_retries() -> None:
    with served(problem(404, "job_not_found")) as (server, transport):
        with pytest.raises(NotFound):
            ids(follow(transport, "job"))
        assert len(server.requests) == 1


def test_a_timeout_is_reported() -> None:
    with (
        served(stream(QUEUED), RUNS) as (_, transport),
        pytest.raises(StillRunning, match="continues"),
    ):
        ids(follow(transport, "job", timeout=0.01))


def test_an_event_with_several_lines_of_data_and_an_unknown_type_is_read() -> None:
    lines = ["id: 1-0", "event: new", 'data: {"time": "t",', 'data: "what": 1}', ""]
    assert list(parsed(lines)) == [Event("1-0", "new", "t", {"what": 1})]


def test_an_incomplete_event_is_omitted() -> None:
    assert list(parsed(["id: 1-0", 'data: {"time": "t"}'])) == []


def test_a_server_that_never_answers_ends_the_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glassbox.http.events.RECONNECTS", Retries(attempts=3, first_pause=0.001))
    with served(content(b"", 502)) as (server, transport):
        with pytest.raises(NotReachable):
            ids(follow(transport, "job"))
        assert len(server.requests) == 3
