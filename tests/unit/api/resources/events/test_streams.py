"""`GET /v1/jobs/{id}/events` as server-sent events, within one process."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.app import create_app
from api.resources.events.connection import Connection
from shared.jobs import JobStore, Progress, State
from shared.runtime.settings import Settings
from tests.support.event_streams import ACCEPT, ServerSentEvent, read_events, states
from tests.support.objects.jobs import a_training, claimed, running
from tests.support.problems import assert_problem, parameters

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings for frequent pings and at most two streams."""
    return settings.model_copy(update={"max_event_streams": 2, "event_ping_seconds": 0.05})


def events_of(response: TestResponse) -> list[ServerSentEvent]:
    assert response.status_code == 200
    return list(read_events(response.text.split("\n")))


def test_stream_of_an_ended_job_has_all_events(client: FlaskClient, jobs: JobStore) -> None:
    claim = running(jobs)
    jobs.renew(claim, Progress(done=1, total=2, unit="epochs"), {"train_loss": 0.5}, "epoch")
    jobs.renew(claim, Progress(done=1, total=2, unit="epochs"), {"train_loss": 0.4}, "progress")
    jobs.finish(claim, State.SUCCEEDED)

    response = client.get(f"/v1/jobs/{claim.job.id}/events", headers=ACCEPT)

    events = events_of(response)
    assert [event.type for event in events] == ["state", "state", "epoch", "progress", "state"]
    assert states(events) == ["queued", "running", "succeeded"]
    assert events[2].data["metrics"] == {"train_loss": 0.5}
    assert [(event.id, event.data["time"]) for event in events] == [
        (item["id"], item["time"]) for item in client.get(f"/v1/jobs/{claim.job.id}/events").get_json()["items"]
    ]


def test_response_has_the_headers_for_clients_and_proxies(client: FlaskClient, jobs: JobStore) -> None:
    claim = running(jobs)
    jobs.finish(claim, State.SUCCEEDED)

    response = client.get(f"/v1/jobs/{claim.job.id}/events", headers=ACCEPT)

    assert response.content_type == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert response.text.startswith("retry: ")


@pytest.mark.parametrize("how", ["header", "parameter"])
def test_stream_resumes_after_the_last_event(client: FlaskClient, jobs: JobStore, how: str) -> None:
    claim = running(jobs)
    jobs.finish(claim, State.SUCCEEDED)
    path = f"/v1/jobs/{claim.job.id}/events"
    first, *rest = events_of(client.get(path, headers=ACCEPT))

    if how == "header":
        resumed = client.get(path, headers={**ACCEPT, "Last-Event-ID": first.id})
    else:
        resumed = client.get(path, query_string={"after": first.id}, headers=ACCEPT)

    assert events_of(resumed) == rest


def test_client_that_has_the_last_event_gets_no_content(client: FlaskClient, jobs: JobStore) -> None:
    claim = running(jobs)
    jobs.finish(claim, State.SUCCEEDED)
    path = f"/v1/jobs/{claim.job.id}/events"
    last = events_of(client.get(path, headers=ACCEPT))[-1]

    assert client.get(path, headers={**ACCEPT, "Last-Event-ID": last.id}).status_code == 204


def test_stream_of_a_retried_job_continues_after_the_first_end(client: FlaskClient, jobs: JobStore) -> None:
    job = a_training()
    jobs.create(job)
    jobs.finish(claimed(jobs, job.id), State.FAILED)
    jobs.retry(job.id)
    jobs.finish(claimed(jobs, job.id), State.SUCCEEDED)

    events = events_of(client.get(f"/v1/jobs/{job.id}/events", headers=ACCEPT))

    assert states(events) == ["queued", "running", "failed", "queued", "running", "succeeded"]


def test_stream_of_a_long_log_is_complete(client: FlaskClient, jobs: JobStore) -> None:
    claim = running(jobs)
    for done in range(250):
        jobs.renew(claim, Progress(done=done, total=250, unit="epochs"), event="epoch")
    jobs.finish(claim, State.SUCCEEDED)

    events = events_of(client.get(f"/v1/jobs/{claim.job.id}/events", headers=ACCEPT))

    assert [event.data["progress"]["done"] for event in events if event.type == "epoch"] == list(range(250))
    assert states(events)[-1] == "succeeded"


@pytest.fixture
def lines(client: FlaskClient, jobs: JobStore) -> Iterator[Iterator[str]]:
    """An iterator over the pieces of the stream of a running job, whose id is `toy`."""
    running(jobs, id="toy")
    response = client.get("/v1/jobs/toy/events", headers=ACCEPT)
    yield (piece.decode() for piece in response.iter_encoded())
    response.close()


def test_idle_stream_sends_keep_alive_comments(lines: Iterator[str]) -> None:
    assert next(piece for piece in lines if piece.startswith(":")) == ": ping\n\n"


def test_stream_ends_when_its_job_is_deleted(lines: Iterator[str], jobs: JobStore) -> None:
    next(lines)
    jobs.discard("toy")

    assert all(piece.startswith((":", "id:")) for piece in lines)


def test_stream_ends_when_the_server_stops(app: Flask, lines: Iterator[str]) -> None:
    next(lines)
    app.extensions["event_streams"].serving = lambda: False

    assert len(list(lines)) <= 2  # the log's two events


def test_stream_ends_when_its_client_disconnects(app: Flask, jobs: JobStore) -> None:
    client_end, server_end = socket.socketpair()
    with client_end, server_end:
        job = running(jobs).job
        response = app.test_client().get(
            f"/v1/jobs/{job.id}/events", headers=ACCEPT, environ_overrides={"gunicorn.socket": server_end}
        )
        pieces = response.iter_encoded()
        next(pieces)
        client_end.close()

        assert len(list(pieces)) <= 2
        response.close()


class TestLimit:
    def test_stream_beyond_the_limit_is_rejected_until_another_ends(self, client: FlaskClient, jobs: JobStore) -> None:
        path = f"/v1/jobs/{running(jobs).job.id}/events"
        first, second = (client.get(path, headers=ACCEPT) for _ in range(2))

        rejected = client.get(path, headers=ACCEPT)
        assert_problem(rejected, 503, "too_many_event_streams")
        assert int(rejected.headers["Retry-After"]) > 0
        assert client.get(path).status_code == 200  # polling still works

        first.close()
        third = client.get(path, headers=ACCEPT)
        assert third.status_code == 200
        for response in (second, third):
            response.close()

    def test_head_request_does_not_count_against_the_limit(self, client: FlaskClient, jobs: JobStore) -> None:
        path = f"/v1/jobs/{running(jobs).job.id}/events"

        for _ in range(5):
            assert client.head(path, headers=ACCEPT).status_code == 200


@pytest.mark.parametrize(
    "accept",
    [
        "text/event-stream",
        "text/event-stream, application/json",
        "application/json, text/event-stream",
        "Text/Event-Stream;q=0.5, */*;q=0.5",
        "text/*",
    ],
)
def test_stream_is_returned_if_accepted_at_least_as_much_as_json(
    client: FlaskClient, jobs: JobStore, accept: str
) -> None:
    job = running(jobs).job

    response = client.get(f"/v1/jobs/{job.id}/events", headers={"Accept": accept})

    assert response.mimetype == "text/event-stream"
    response.close()


@pytest.mark.parametrize(
    "accept",
    ["*/*", "", "text/html", "application/json, text/event-stream;q=0.5", "text/event-stream;q=0, application/json"],
)
def test_json_is_returned_unless_a_stream_is_requested(client: FlaskClient, jobs: JobStore, accept: str) -> None:
    job = running(jobs).job

    response = client.get(f"/v1/jobs/{job.id}/events", headers={"Accept": accept})

    assert [item["type"] for item in json.loads(response.data)["items"]] == ["state", "state"]


@pytest.mark.parametrize("given", ["1", "a-b", "1-2-3", "٣-٤", "9" * 30 + "-0"])
def test_invalid_last_event_id_is_reported(client: FlaskClient, jobs: JobStore, given: str) -> None:
    path = f"/v1/jobs/{running(jobs).job.id}/events"

    in_header = client.get(path, headers={**ACCEPT, "Last-Event-ID": given.encode().decode("latin1")})
    in_query = client.get(path, query_string={"after": given})

    assert parameters(assert_problem(in_header, 422, "validation_failed")) == ["Last-Event-ID"]
    assert parameters(assert_problem(in_query, 422, "validation_failed")) == ["after"]


def test_stream_of_an_unknown_job_is_not_found(client: FlaskClient) -> None:
    assert_problem(client.get("/v1/jobs/unknown/events", headers=ACCEPT), 404, "job_not_found")


def test_stream_without_redis_fails(client_without_redis: FlaskClient) -> None:
    assert_problem(client_without_redis.get("/v1/jobs/any/events", headers=ACCEPT), 503, "redis_unavailable")


def test_limit_of_streams_applies_per_process(settings: Settings, jobs: JobStore) -> None:
    path = f"/v1/jobs/{running(jobs).job.id}/events"

    for process in (create_app(settings), create_app(settings)):
        assert process.test_client().get(path, headers=ACCEPT).status_code == 200


@pytest.fixture
def ends() -> Iterator[Ends]:
    """The two ends of a connection: the client's and the server's."""
    client, server = socket.socketpair()
    with client, server:
        yield client, server


def test_open_connection_is_detected_without_reading_from_it(ends: Ends) -> None:
    client, server = ends
    connection = Connection({"gunicorn.socket": server})

    assert connection.is_open()
    client.sendall(b"more")
    assert connection.is_open()
    assert server.recv(10) == b"more"


def test_closed_connection_is_detected(ends: Ends) -> None:
    client, server = ends
    client.close()

    assert not Connection({"gunicorn.socket": server}).is_open()


def test_connection_takes_bytes_until_its_buffer_is_full(ends: Ends) -> None:
    client, server = ends
    connection = Connection({"gunicorn.socket": server})
    server.setblocking(False)

    assert connection.takes_bytes(within=0.0)
    with suppress(BlockingIOError):
        while server.send(bytes(65536)):
            pass
    assert not connection.takes_bytes(within=0.01)
    with suppress(BlockingIOError):
        while client.recv(65536, socket.MSG_DONTWAIT):
            pass
    assert connection.takes_bytes(within=0.0)


def test_connection_without_a_socket_counts_as_open() -> None:
    connection = Connection({})

    assert connection.is_open()
    assert connection.takes_bytes(within=0.0)
