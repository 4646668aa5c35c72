"""Compression of large JSON and text responses, and of nothing else, if the client accepts gzip."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

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


@pytest.mark.parametrize("file", ["swagger-ui-bundle.js", "swagger-ui.css"])
def test_files_of_the_documentation_are_compressed_once(client: FlaskClient, file: str) -> None:
    path = f"/docs/{file}"
    plain, compressed = client.get(path), client.get(path, headers=GZIP)

    assert gzip.decompress(compressed.data) == plain.data
    assert len(compressed.data) < len(plain.data) / 3
    assert compressed.content_type == plain.content_type
    assert "Accept-Encoding" in plain.vary
    assert client.get(path, headers=GZIP | {"If-None-Match": compressed.headers["ETag"]}).status_code == 304
    assert compressed.data == client.get(path, headers=GZIP).data


@pytest.mark.parametrize("media_type", ["text/plain", "text/csv", "text/css", "text/javascript", "text/html"])
def test_large_texts_are_compressed(app: Flask, media_type: str) -> None:
    app.add_url_rule("/text", view_func=lambda: Response("é" * 5000, mimetype=media_type))

    received = app.test_client().get("/text", headers=GZIP)

    assert received.mimetype == media_type
    assert gzip.decompress(received.data).decode() == "é" * 5000


@pytest.mark.parametrize("media_type", ["application/x-ndjson", "text/csv", "application/json"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_stream_is_compressed_block_by_block_and_closed(app: Flask, media_type: str, method: str) -> None:
    class Blocks:
        read, closed = 0, False

        def __iter__(self) -> Iterator[bytes]:
            return self

        def __next__(self) -> bytes:
            if self.read == 100:
                raise StopIteration
            self.read += 1
            return str(self.read).encode() * 5000 + b"\n"

        def close(self) -> None:
            self.closed = True

    blocks = Blocks()
    app.add_url_rule("/rows", view_func=lambda: Response(blocks, mimetype=media_type))
    response = app.test_client().open("/rows", method=method, headers=GZIP, buffered=False)

    assert response.headers["Content-Encoding"] == "gzip"
    assert "Content-Length" not in response.headers
    assert "Accept-Encoding" in response.vary
    if method == "GET":
        parts = iter(response.response)
        received = [next(parts)]
        assert blocks.read < 100
        lines = gzip.decompress(b"".join([*received, *parts])).splitlines()  # type: ignore[list-item]
        assert lines == [str(number).encode() * 5000 for number in range(1, 101)]
    response.close()
    assert blocks.closed


def test_an_empty_stream_is_a_valid_gzip_file(app: Flask) -> None:
    app.add_url_rule("/rows", view_func=lambda: Response(iter(()), mimetype="application/x-ndjson"))

    assert gzip.decompress(app.test_client().get("/rows", headers=GZIP).data) == b""


@pytest.mark.parametrize(
    "response",
    [
        Response(b" " * 5000, mimetype="application/octet-stream"),
        Response(b" " * 5000, mimetype="text/event-stream"),
        Response(iter([b" " * 5000]), mimetype="application/octet-stream"),
        Response(b" " * 5000, mimetype="image/png"),
        Response(b" " * 5000, 206, mimetype="application/json"),
        Response(b" " * 5000, mimetype="application/json", headers={"Content-Encoding": "br"}),
    ],
    ids=["a file", "events", "a streamed file", "a picture", "a range", "encoded content"],
)
def test_other_responses_are_not_compressed(app: Flask, response: Response) -> None:
    app.add_url_rule("/response", view_func=lambda: response)
    before = response.headers.get("Content-Encoding")

    received = app.test_client().get("/response", headers=GZIP)

    assert received.headers.get("Content-Encoding") == before
    assert len(received.data) >= 5000
