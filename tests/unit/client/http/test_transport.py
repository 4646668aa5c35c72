"""Requests that are retried and that are not, and responses that are not the API's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from glassbox import Forbidden, Invalid, NotReachable, Retries, TooMany, UnexpectedAnswer
from glassbox.http import transport as module
from glassbox.http.bodies import FileBody
from glassbox.http.transport import Transport

from tests.support.network import closed_port
from tests.support.servers.scripted import Reply, Scripted, broken, content, document, problem, scripted


@contextmanager
def served(retries: Retries, *replies: Reply) -> Iterator[tuple[Scripted, Transport]]:
    with scripted(*replies) as server:
        transport = Transport(server.url, "the-key", retries=retries)
        try:
            yield server, transport
        finally:
            transport.close()


@pytest.mark.parametrize(
    "failure", [broken(), problem(503, "redis_unavailable"), problem(429, "rate_limited"), content(b"", 502)]
)
def test_a_get_is_retried_after_a_transient_error(failure: Reply, quick: Retries) -> None:
    with served(quick, failure, failure, document({"fine": True})) as (server, transport):
        assert transport.get("/v1/jobs") == {"fine": True}
        assert len(server.requests) == 3


def test_the_retries_of_a_get_are_bounded(quick: Retries) -> None:
    with served(quick, problem(429, "rate_limited", "too fast")) as (server, transport):
        with pytest.raises(TooMany, match="too fast"):
            transport.get("/v1/jobs")
        assert len(server.requests) == quick.attempts


def test_a_rejected_request_is_not_retried(quick: Retries) -> None:
    with served(quick, problem(422, "validation_failed")) as (server, transport):
        with pytest.raises(Invalid) as caught:
            transport.get("/v1/jobs")
        assert len(server.requests) == 1
        assert caught.value.request_id == "request-1"


def test_a_retry_after_beyond_the_limit_ends_the_retries(quick: Retries) -> None:
    too_long = problem(503, "redis_unavailable", headers={"Retry-After": "60"})
    with served(quick, too_long) as (server, transport):
        with pytest.raises(Exception, match="it is so"):
            transport.get("/v1/jobs")
        assert len(server.requests) == 1


def test_a_creation_is_retried_with_the_same_idempotency_key(quick: Retries) -> None:
    in_use = problem(409, "idempotency_key_in_use")
    with served(quick, broken(), in_use, document({"id": "1"}, 202)) as (server, transport):
        assert transport.create("/v1/training-jobs", document={"model": "m"}) == {"id": "1"}
        keys = {request.headers["idempotency-key"] for request in server.requests}
        assert len(server.requests) == 3
        assert len(keys) == 1
        transport.create("/v1/training-jobs", document={"model": "m"})
        assert server.requests[-1].headers["idempotency-key"] not in keys


def test_a_creation_that_the_server_handles_for_long_is_waited_for(
    quick: Retries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if a proxy gave up, or the server died, and it is not ready for more attempts than `quick` has."""
    monkeypatch.setattr(module, "STILL_RUNNING", replace(quick, attempts=1000))
    in_use = [problem(409, "idempotency_key_in_use")] * (2 * quick.attempts)
    for lost in (problem(504, "gateway_timeout"), broken()):
        with served(quick, lost, *in_use, broken(), document({"id": "1"}, 202)) as (server, transport):
            created = transport.create("/v1/batch-jobs", document={"upload": "u"}, read_timeout=600.0)
            assert created == {"id": "1"}
            assert len(server.requests) == 3 + len(in_use)
            assert len({request.headers["idempotency-key"] for request in server.requests}) == 1


def test_a_change_without_an_idempotency_key_is_sent_once(quick: Retries) -> None:
    with served(quick, broken()) as (server, transport):
        with pytest.raises(NotReachable):
            transport.change("POST", "/v1/jobs/1/cancel")
        assert len(server.requests) == 1


def test_an_upload_is_retried_from_its_beginning(quick: Retries, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789" * 300_000)
    progress: list[tuple[int, int]] = []
    with served(quick, broken(), document({"id": "1"})) as (server, transport):
        transport.create("/v1/datasets", body=FileBody(tmp_path / "file"), on_bytes=lambda *at: progress.append(at))
        assert [request.body for request in server.requests] == [b"0123456789" * 300_000] * 2
        assert server.requests[0].headers["content-length"] == "3000000"
    assert progress[-1] == (3_000_000, 3_000_000)


def test_the_api_key_is_sent(quick: Retries) -> None:
    with served(quick, document({})) as (server, transport):
        transport.get("/v1/jobs", after=None)
        assert server.requests[0].headers["authorization"] == "Bearer the-key"
        assert server.requests[0].path == "/v1/jobs"


def test_lists_are_read_page_by_page(quick: Retries) -> None:
    pages = [document({"items": [1, 2], "next": "b"}), document({"items": [3], "next": None})]
    with served(quick, *pages) as (server, transport):
        assert list(transport.pages("/v1/jobs", kind="batch")) == [1, 2, 3]
        assert [request.path for request in server.requests] == [
            "/v1/jobs?kind=batch&limit=500",
            "/v1/jobs?kind=batch&limit=500&after=b",
        ]


def test_a_list_is_read_only_up_to_its_size(quick: Retries) -> None:
    with served(quick, document({"items": [1, 2], "next": "b"})) as (server, transport):
        assert list(transport.pages("/v1/jobs", size=2)) == [1, 2]
        assert [request.path for request in server.requests] == ["/v1/jobs?limit=2"]


def test_lines_over_a_broken_connection_raise_an_error(quick: Retries) -> None:
    with (
        served(quick, content(b'{"a": 1}\n{"a": 2}\n', cut=9)) as (_, transport),
        pytest.raises(NotReachable, match="stopped answering"),
    ):
        list(transport.lines("/v1/jobs/1/results"))


@pytest.mark.parametrize("status", [200, 404])
def test_a_server_of_another_kind_is_reported(status: int, quick: Retries) -> None:
    with (
        served(quick, content(b"<html>It works!</html>", status, headers={"Content-Type": "text/html"})) as (
            _,
            transport,
        ),
        pytest.raises(UnexpectedAnswer, match="a Glassbox server"),
    ):
        transport.get("/v1/jobs")


def test_an_error_during_an_upload_is_read(quick: Retries, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(1000))
    with (
        served(quick, problem(403, "scope_missing", "not with this key")) as (_, transport),
        pytest.raises(Forbidden, match="not with this key"),
    ):
        transport.create("/v1/datasets", body=FileBody(tmp_path / "file"))


def test_a_missing_server_is_reported(quick: Retries) -> None:
    transport = Transport(f"http://127.0.0.1:{closed_port()}", retries=quick)
    with pytest.raises(NotReachable, match="does not answer"):
        transport.get("/v1/jobs")
    transport.close()


def test_an_invalid_url_is_reported() -> None:
    with pytest.raises(NotReachable, match="is not the URL"):
        Transport("http://[::1")
