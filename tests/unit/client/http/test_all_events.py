"""The events of all jobs are read once and in order, also after broken connections."""

from __future__ import annotations

import json
from itertools import islice

import pytest
from glassbox import NotReachable, Retries
from glassbox.http import all_events
from glassbox.http.all_events import AnyEvent, follow_all
from glassbox.http.transport import Transport

from tests.support.servers.scripted import Reply, content, problem, scripted


def block(number: int) -> str:
    data = {"time": "t", "job": "a", "kind": "batch", "model": "toy", "data": {"state": "queued"}}
    return f"id: {number}-0\nevent: state\ndata: {json.dumps(data)}\n\n"


def stream(*blocks: str, cut: int | None = None) -> Reply:
    text = "".join(blocks)
    return content(text.encode(), cut=cut and len(text) - cut, headers={"Content-Type": "text/event-stream"})


@pytest.fixture(autouse=True)
def quick_reconnects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconnect at once, three times at most."""
    monkeypatch.setattr(all_events, "RECONNECTS", Retries(attempts=3, first_pause=0.001, longest_pause=0.001))


def test_a_stream_continues_after_the_last_complete_event() -> None:
    replies = (
        stream("retry: 2000\nid: 1-0\n\n", block(2), block(3), cut=4),
        problem(503, "redis_unavailable"),
        stream("id: 2-0\n\n", block(3), ": ping\nid: 9-0\n\n"),
        stream(block(10)),
    )
    with scripted(*replies) as server:
        transport = Transport(server.url)
        events = list(islice(follow_all(transport, kind="batch", model=None), 3))
        transport.close()

    assert [event.id for event in events] == ["2-0", "3-0", "10-0"]
    assert events[0] == AnyEvent("2-0", "state", "t", "a", "batch", "toy", {"state": "queued"})
    assert [request.headers.get("last-event-id") for request in server.requests] == [None, "2-0", "2-0", "9-0"]
    assert {request.path for request in server.requests} == {"/v1/events?kind=batch"}


def test_a_server_that_stays_away_is_not_reachable() -> None:
    with scripted(stream(), stream(), stream(), stream()) as server:
        transport = Transport(server.url)
        with pytest.raises(NotReachable, match="repeatedly ends the event stream"):
            next(follow_all(transport))
        transport.close()
