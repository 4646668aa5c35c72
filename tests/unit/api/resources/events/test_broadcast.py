"""Event streams that wait for events: one thread reads these and sends them to the clients of all streams."""

from __future__ import annotations

import socket
from collections.abc import Generator, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from flask import Flask
from redis import Redis

from api.app import create_app
from api.auth.keys import KeysFile, Scope, new_key
from api.resources.events.connection import SENT, Connection
from shared.jobs import JobStore, State
from shared.runtime.settings import Settings
from tests.support.event_streams import ACCEPT, ServerSentEvent, read_events, states
from tests.support.objects.jobs import a_batch, a_training, running
from tests.support.waiting import eventually


class Viewer:
    """A client with a connection of its own. The server's thread sends as gunicorn does for HTTP/1.0."""

    def __init__(self, app: Flask, path: str, **headers: str) -> None:
        self.end, self._server_end = socket.socketpair()
        self.end.settimeout(30)
        environ = {"gunicorn.socket": self._server_end, "SERVER_PROTOCOL": "HTTP/1.0"}
        self._response = app.test_client().get(path, headers={**ACCEPT, **headers}, environ_overrides=environ)
        assert self._response.status_code == 200
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()
        self.events = self._read()

    def _serve(self) -> None:
        for piece in self._response.iter_encoded():
            self._server_end.sendall(piece)
        self._response.close()
        self._server_end.close()

    def close(self) -> None:
        self.events.close()
        self.end.close()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _read(self) -> Generator[ServerSentEvent]:
        with self.end.makefile(encoding="utf-8", newline="\n") as lines:
            yield from read_events(line.rstrip("\n") for line in lines)


@pytest.fixture
def viewers() -> Iterator[Any]:
    """Open streams, and wait until all of them follow."""
    opened: list[Viewer] = []

    def opens(app: Flask, *paths: str, key: str = "") -> list[Viewer]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        made = [Viewer(app, path, **headers) for path in paths]
        opened.extend(made)
        eventually(lambda: app.extensions["event_streams"].broadcast.count == len(opened))
        return made

    yield opens
    for viewer in opened:
        viewer.close()


def test_all_streams_of_a_job_get_every_event_until_its_end(app: Flask, viewers: Any, jobs: JobStore) -> None:
    claim = running(jobs)
    opened = viewers(app, *[f"/v1/jobs/{claim.job.id}/events"] * 3)

    for number in range(150):
        jobs.log(claim, "note", {"number": number})
    jobs.finish(claim, State.SUCCEEDED)

    for viewer in opened:
        events = list(viewer.events)
        assert [event.data["number"] for event in events if event.type == "note"] == list(range(150))
        assert states(events) == ["queued", "running", "succeeded"]


def test_streams_of_all_jobs_get_the_events_that_they_select(app: Flask, viewers: Any, jobs: JobStore) -> None:
    everything, batches = viewers(app, "/v1/events", "/v1/events?kind=batch")

    jobs.create(a_training(id="one"))
    jobs.create(a_batch(id="two"))

    assert [next(everything.events).data["job"] for _ in range(2)] == ["one", "two"]
    assert next(batches.events).data["job"] == "two"


def test_a_client_that_reads_slowly_gets_every_event(app: Flask, viewers: Any, jobs: JobStore) -> None:
    claim = running(jobs)
    (viewer,) = viewers(app, f"/v1/jobs/{claim.job.id}/events")

    for number in range(100):  # more than the buffers of the connection hold
        jobs.log(claim, "note", {"number": number, "note": "x" * 10_000})
    jobs.finish(claim, State.SUCCEEDED)

    assert [event.data["number"] for event in viewer.events if event.type == "note"] == list(range(100))


def test_a_loss_of_redis_data_is_reported_to_a_stream(app: Flask, viewers: Any, jobs: JobStore, redis: Redis) -> None:
    jobs.create(a_training())
    (viewer,) = viewers(app, "/v1/events")

    redis.flushall()

    assert next(viewer.events).type == "missed"


def test_a_stream_ends_after_its_key_is_revoked(
    settings: Settings, tmp_path: Path, viewers: Any, jobs: JobStore
) -> None:
    (key, line), (other_key, other_line) = (new_key(name, frozenset({Scope.READ})) for name in ("one", "other"))
    keys = KeysFile(tmp_path / "keys")
    keys.write([line, other_line])
    app = create_app(settings.model_copy(update={"api_keys_file": keys.path}))
    log = f"/v1/jobs/{running(jobs).job.id}/events"
    revoked = viewers(app, "/v1/events", log, key=key)
    (kept,) = viewers(app, "/v1/events", key=other_key)

    keys.write([other_line])

    assert [len(list(viewer.events)) for viewer in revoked] == [0, 2]
    jobs.create(a_training(id="new"))
    assert next(kept.events).data["job"] == "new"


def test_bytes_that_are_sent_directly_are_framed_as_a_chunk_and_counted() -> None:
    client, server = socket.socketpair()
    with client, server:
        environ = {"gunicorn.socket": server, "SERVER_PROTOCOL": "HTTP/1.1"}

        assert Connection(environ).send_now(b"0123456789abcdef") == b""

        assert client.recv(100) == b"10\r\n0123456789abcdef\r\n"
        assert environ[SENT] == 16
