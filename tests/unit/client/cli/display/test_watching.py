"""Waiting for a job: the command shows why it is queued."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from glassbox import Client
from glassbox.cli.display.watching import watched

from tests.support.servers.scripted import Reply, content, document, scripted

EVENT = 'id: 1-0\nevent: state\ndata: {{"time": "2026-01-31T12:00:05.120Z", "state": "{}", "attempt": 1}}\n\n'


def job(state: str, waiting: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "id": "one",
        "kind": "training",
        "state": state,
        "created_at": "2026-01-31T12:00:05.000Z",
        "started_at": None,
        "finished_at": None,
        "attempt": 0,
        "waiting": waiting,
        "progress": {"done": 0, "total": 1, "unit": "epochs", "eta_seconds": None},
        "metrics": {},
        "request": {},
        "result": None,
        "error": None,
        "links": {},
    }


@contextmanager
def client_of(*replies: Reply) -> Iterator[Client]:
    with scripted(*replies) as server:
        client = Client(server.url)
        try:
            yield client
        finally:
            client.close()


def test_watching_shows_once_why_a_job_waits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("glassbox.cli.display.watching.POLL_SECONDS", 60.0)
    full = {"code": "redis_full", "detail": "Redis is full: 1.0 GiB of 1.0 GiB"}
    stream = content(EVENT.format("succeeded").encode(), headers={"Content-Type": "text/event-stream"})

    with client_of(document(job("queued", full)), stream, document(job("succeeded"))) as client:
        ended = watched(client, client.jobs.get("one"))

    assert ended.state == "succeeded"
    assert capsys.readouterr().err.count("note: the job waits: Redis is full: 1.0 GiB of 1.0 GiB") == 1


def test_watching_shows_the_place_of_a_job_in_the_queue(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("glassbox.cli.display.watching.POLL_SECONDS", 60.0)
    waits = job("queued")
    waits["progress"] |= {"place": 3, "starts_in_seconds": 12.4}
    stream = content(EVENT.format("succeeded").encode(), headers={"Content-Type": "text/event-stream"})

    with client_of(document(waits), stream, document(job("succeeded"))) as client:
        watched(client, client.jobs.get("one"))

    assert "note: the job waits: place 3 in the queue, starts in about 12 s" in capsys.readouterr().err


def test_watching_shows_no_reason_if_a_job_only_waits_for_a_worker(capsys: pytest.CaptureFixture[str]) -> None:
    stream = content(EVENT.format("succeeded").encode(), headers={"Content-Type": "text/event-stream"})

    with client_of(document(job("running")), stream, document(job("succeeded"))) as client:
        watched(client, client.jobs.get("one"))

    assert "waits" not in capsys.readouterr().err
