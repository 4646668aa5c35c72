"""`GET /v1/events`: the events of all jobs, as a stream and in pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from shared.jobs import JobStore, Progress, State, keys
from shared.runtime.settings import Settings
from tests.support.event_streams import ACCEPT, ServerSentEvent, read_events
from tests.support.objects.jobs import a_batch, a_training, running
from tests.support.problems import assert_problem, parameters


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings for frequent pings and at most two streams."""
    return settings.model_copy(update={"max_event_streams": 2, "event_ping_seconds": 0.05})


@contextmanager
def following(client: FlaskClient, last: str = "", **query: Any) -> Iterator[Iterator[str]]:
    """Yield the pieces of a stream."""
    headers = {**ACCEPT, **({"Last-Event-ID": last} if last else {})}
    response = client.get("/v1/events", headers=headers, query_string=query)
    assert response.content_type == "text/event-stream"
    with closing(response):
        yield (piece.decode() for piece in response.iter_encoded())


def take(pieces: Iterator[str], count: int) -> list[ServerSentEvent]:
    """Return so many events of a stream."""
    events: list[ServerSentEvent] = []
    while len(events) < count:
        events += read_events(next(pieces).split("\n"))
    return events


def position_in(piece: str) -> str:
    """Return the id in a piece of a stream."""
    return next(line for line in piece.split("\n") if line.startswith("id: ")).removeprefix("id: ")


def pages(client: FlaskClient, **query: Any) -> list[dict[str, Any]]:
    """Return the events of all pages."""
    items: list[dict[str, Any]] = []
    while True:
        page = client.get("/v1/events", query_string=query).get_json()
        items += page["items"]
        if page["next"] is None:
            return items
        query["after"] = page["next"]


def test_a_stream_has_the_events_of_all_jobs_from_now_on(client: FlaskClient, jobs: JobStore) -> None:
    running(jobs)
    with following(client) as pieces:
        assert next(pieces).startswith("retry: ")
        training, batch = a_training(), a_batch(model="other")
        jobs.create(training)
        jobs.create(batch)

        one, other = take(pieces, 2)

    assert (one.type, one.data["job"], one.data["kind"], one.data["model"]) == ("state", training.id, "training", "toy")
    assert one.data["data"] == {"state": "queued", "attempt": 0}
    assert (other.data["job"], other.data["kind"], other.data["model"]) == (batch.id, "batch", "other")
    assert one.data["time"] <= other.data["time"]


def test_a_stream_that_is_cut_anywhere_resumes_without_a_gap(client: FlaskClient, jobs: JobStore) -> None:
    with following(client) as pieces:
        begin = position_in(next(pieces))
    claim = running(jobs)
    for done in range(5):
        jobs.renew(claim, Progress(done=done, total=5, unit="epochs"), event="epoch")
    jobs.finish(claim, State.SUCCEEDED)
    everything = pages(client, after=begin)
    assert len(everything) == 8

    for received in range(len(everything)):
        last = everything[received - 1]["id"] if received else begin
        with following(client, last) as pieces:
            assert [event.id for event in take(pieces, 8 - received)] == [each["id"] for each in everything[received:]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"kind": "batch"}, {"b", "c"}),
        ({"model": "toy"}, {"a", "b"}),
        ({"model": "toy", "kind": "batch"}, {"b"}),
        ({"job": "c"}, {"c"}),
        ({"job": "unknown"}, set()),
    ],
)
def test_filters_select_events(client: FlaskClient, jobs: JobStore, query: dict[str, str], expected: set[str]) -> None:
    for job in (a_training(id="a"), a_batch(id="b"), a_batch(id="c", model="other"), a_training(id="d", model="last")):
        jobs.create(job)

    assert {event["job"] for event in pages(client, **query)} == expected
    if expected:
        with following(client, "0-0", **query) as pieces:
            assert {event.data["job"] for event in take(pieces, len(expected))} == expected


def test_a_ping_moves_the_position_past_events_that_are_filtered(client: FlaskClient, jobs: JobStore) -> None:
    with following(client, kind="batch") as pieces:
        begin = position_in(next(pieces))
        jobs.create(a_training())

        moved = next(piece for piece in pieces if ": ping" in piece and position_in(piece) != begin)

    assert position_in(moved) == client.get("/v1/events").get_json()["items"][-1]["id"]


@pytest.mark.parametrize("as_stream", [True, False])
def test_a_client_that_was_away_for_too_long_gets_an_event_missed(
    client: FlaskClient, jobs: JobStore, redis: Redis, as_stream: bool
) -> None:
    jobs.create(a_training())
    last = client.get("/v1/events").get_json()["items"][-1]["id"]
    for _ in range(5):
        jobs.create(a_training())
    redis.xtrim(keys.ALL_EVENTS, maxlen=2, approximate=False)

    if as_stream:
        with following(client, last) as pieces:
            events = take(pieces, 3)
        types, ids = [event.type for event in events], [event.id for event in events]
    else:
        items = pages(client, after=last)
        types, ids = [item["type"] for item in items], [item["id"] for item in items]
        assert items[0]["job"] is None

    assert types == ["missed", "state", "state"]
    assert [item["type"] for item in pages(client, after=ids[0])] == ["state", "state"]  # `missed` comes once


def test_a_stream_survives_a_redis_that_loses_its_data(client: FlaskClient, jobs: JobStore, redis: Redis) -> None:
    jobs.create(a_training())
    with following(client) as pieces:
        next(pieces)
        redis.flushall()
        (missed,) = take(pieces, 1)
        jobs.create(a_training(id="new"))
        (event,) = take(pieces, 1)

    assert missed.type == "missed"
    assert event.data["job"] == "new"


def test_pages_are_bounded_and_follow_each_other(client: FlaskClient, jobs: JobStore) -> None:
    for _ in range(5):
        jobs.create(a_training())

    first = client.get("/v1/events?limit=2").get_json()

    assert len(first["items"]) == 2
    assert len(pages(client, limit=2)) == 5


@pytest.mark.parametrize("query", [{"kind": "unknown"}, {"after": "yesterday"}, {"limit": 501}, {"state": "queued"}])
def test_invalid_filters_are_refused(client: FlaskClient, query: dict[str, Any]) -> None:
    problem = assert_problem(client.get("/v1/events", query_string=query), 422, "validation_failed")

    assert parameters(problem) == list(query)


def test_streams_count_together_with_those_of_single_jobs(client: FlaskClient, jobs: JobStore) -> None:
    claim = running(jobs)
    with following(client) as one, following(client) as other:
        next(one), next(other)
        assert_problem(client.get("/v1/events", headers=ACCEPT), 503, "too_many_event_streams")
        assert_problem(client.get(f"/v1/jobs/{claim.job.id}/events", headers=ACCEPT), 503, "too_many_event_streams")


def test_a_stream_ends_when_the_server_stops(app: Flask, client: FlaskClient) -> None:
    with following(client) as pieces:
        next(pieces)
        app.extensions["event_streams"].serving = lambda: False
        assert list(pieces) == []
