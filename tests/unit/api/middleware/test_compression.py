"""Large JSON is packed for whoever takes it so, and nothing else is."""

from __future__ import annotations

import gzip
import json

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from shared.jobs import JobStore
from tests.support.objects.jobs import a_training

GZIP = {"Accept-Encoding": "gzip"}
LARGE = "/openapi.json"


def test_large_json_is_packed_where_that_is_accepted(client: FlaskClient) -> None:
    plain, packed = client.get(LARGE), client.get(LARGE, headers=GZIP)

    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.content_length == len(packed.data) < len(plain.data) / 4
    assert gzip.decompress(packed.data) == plain.data
    assert packed.content_type == plain.content_type == "application/json"


@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0", "*;q=0", "deflate, br"])
def test_it_is_not_where_it_is_not(client: FlaskClient, accepted: str) -> None:
    response = client.get(LARGE, headers={"Accept-Encoding": accepted})

    assert "Content-Encoding" not in response.headers
    assert json.loads(response.data)


@pytest.mark.parametrize("headers", [{}, GZIP])
@pytest.mark.parametrize("path", [LARGE, "/healthz", "/unknown"])
def test_caches_are_told_that_it_depends(client: FlaskClient, path: str, headers: dict[str, str]) -> None:
    assert "Accept-Encoding" in client.get(path, headers=headers).headers["Vary"]


def test_small_json_is_left_as_it_is(client: FlaskClient) -> None:
    assert "Content-Encoding" not in client.get("/healthz", headers=GZIP).headers


def test_a_page_of_jobs_is_packed(client: FlaskClient, jobs: JobStore) -> None:
    for _ in range(10):
        jobs.create(a_training())

    response = client.get("/v1/jobs", headers=GZIP)

    assert len(json.loads(gzip.decompress(response.data))["items"]) == 10


def test_the_head_is_that_of_the_packed_answer(client: FlaskClient) -> None:
    got, head = client.get(LARGE, headers=GZIP), client.head(LARGE, headers=GZIP)

    assert head.data == b""
    for name in ("Content-Length", "Content-Encoding", "ETag", "Vary"):
        assert head.headers[name] == got.headers[name]


def test_a_packed_answers_etag_is_weak_and_still_recognized(client: FlaskClient) -> None:
    etag = client.get(LARGE, headers=GZIP).headers["ETag"]

    assert etag.startswith("W/")
    assert client.get(LARGE, headers=GZIP | {"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize(
    "response",
    [
        Response(iter([b"[" + b" " * 5000, b"]"]), mimetype="application/json"),
        Response(b" " * 5000, mimetype="application/octet-stream"),
        Response(b" " * 5000, mimetype="text/event-stream"),
        Response(b" " * 5000, mimetype="application/x-ndjson"),
        Response(b" " * 5000, 206, mimetype="application/json"),
        Response(b" " * 5000, mimetype="application/json", headers={"Content-Encoding": "br"}),
    ],
    ids=["a stream", "a file", "events", "rows", "a part", "packed already"],
)
def test_what_is_no_whole_plain_json_is_left_as_it_is(app: Flask, response: Response) -> None:
    app.add_url_rule("/answer", view_func=lambda: response)
    before = response.headers.get("Content-Encoding")

    answer = app.test_client().get("/answer", headers=GZIP)

    assert answer.headers.get("Content-Encoding") == before
    assert len(answer.data) >= 5000
