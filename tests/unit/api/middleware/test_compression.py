"""Compression of large JSON responses, and of nothing else, if the client accepts gzip."""

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


def test_large_json_is_compressed_if_the_client_accepts_gzip(client: FlaskClient) -> None:
    plain, compressed = client.get(LARGE), client.get(LARGE, headers=GZIP)

    assert compressed.headers["Content-Encoding"] == "gzip"
    assert compressed.content_length == len(compressed.data) < len(plain.data) / 4
    assert gzip.decompress(compressed.data) == plain.data
    assert compressed.content_type == plain.content_type == "application/json"


@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0", "*;q=0", "deflate, br"])
def test_large_json_is_not_compressed_if_the_client_does_not_accept_gzip(client: FlaskClient, accepted: str) -> None:
    response = client.get(LARGE, headers={"Accept-Encoding": accepted})

    assert "Content-Encoding" not in response.headers
    assert json.loads(response.data)


@pytest.mark.parametrize("headers", [{}, GZIP])
@pytest.mark.parametrize("path", [LARGE, "/healthz", "/unknown"])
def test_responses_vary_by_accept_encoding(client: FlaskClient, path: str, headers: dict[str, str]) -> None:
    assert "Accept-Encoding" in client.get(path, headers=headers).headers["Vary"]


def test_small_json_is_not_compressed(client: FlaskClient) -> None:
    assert "Content-Encoding" not in client.get("/healthz", headers=GZIP).headers


def test_page_of_jobs_is_compressed(client: FlaskClient, jobs: JobStore) -> None:
    for _ in range(10):
        jobs.create(a_training())

    response = client.get("/v1/jobs", headers=GZIP)

    assert len(json.loads(gzip.decompress(response.data))["items"]) == 10


def test_head_has_the_headers_of_the_compressed_response(client: FlaskClient) -> None:
    got, head = client.get(LARGE, headers=GZIP), client.head(LARGE, headers=GZIP)

    assert head.data == b""
    for name in ("Content-Length", "Content-Encoding", "ETag", "Vary"):
        assert head.headers[name] == got.headers[name]


def test_etag_of_a_compressed_response_is_weak_and_still_matches(client: FlaskClient) -> None:
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
    ids=["a stream", "a file", "events", "rows", "a range", "encoded content"],
)
def test_other_responses_are_not_compressed(app: Flask, response: Response) -> None:
    app.add_url_rule("/response", view_func=lambda: response)
    before = response.headers.get("Content-Encoding")

    received = app.test_client().get("/response", headers=GZIP)

    assert received.headers.get("Content-Encoding") == before
    assert len(received.data) >= 5000
