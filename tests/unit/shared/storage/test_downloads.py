"""Downloads of files by URL: resumed, limited, and only from allowed addresses."""

from __future__ import annotations

import io
import logging
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from shared.errors import Conflict, GlassboxError, Invalid, NotFound, StorageFull, TooLarge, Unavailable
from shared.storage.sources import download as module
from shared.storage.sources.download import DownloadLimits, download, redacted
from tests.support.network import closed_port
from tests.support.servers.scripted import Reply, broken, content, scripted

BODY = bytes(range(256)) * 40
ETAG = {"ETag": '"v1"', "Accept-Ranges": "bytes"}
LIMITS = DownloadLimits(
    nbytes=1 << 20, seconds=60.0, idle_seconds=30.0, rate=1.0, free=lambda: 1 << 30, allow_private=True
)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)


def part(start: int, body: bytes = BODY, etag: str = '"v1"', total: int | None = None, cut: int | None = None) -> Reply:
    """Reply with the rest of the content from `start`."""
    stated = f"bytes {start}-{len(body) - 1}/{len(body) if total is None else total}"
    return content(body[start:], 206, cut, {"ETag": etag, "Content-Range": stated})


def redirect(location: str, status: int = 302) -> Reply:
    return content(b"", status, headers={"Location": location})


def chunked(*chunks: bytes, end: bool = True) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for chunk in chunks:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        handler.wfile.write(b"0\r\n\r\n" if end else b"")
        handler.close_connection = True

    return reply


def fetched(*replies: Reply, limits: DownloadLimits = LIMITS, path: str = "/images.zip") -> tuple[bytes, list[Any]]:
    """Return the downloaded bytes, and for each request the requested range and its condition."""
    file = io.BytesIO()
    with scripted(*replies) as server:
        download(server.url + path, file, limits)
    return file.getvalue(), [(each.headers.get("range"), each.headers.get("if-range")) for each in server.requests]


def error_of(*replies: Reply, limits: DownloadLimits = LIMITS) -> GlassboxError:
    with pytest.raises(GlassboxError) as error:
        fetched(*replies, limits=limits, path="/images.zip?signature=secret")
    assert "secret" not in error.value.detail
    return error.value


def test_a_file_is_downloaded_without_content_coding() -> None:
    file = io.BytesIO()
    with scripted(content(BODY)) as server:
        download(f"{server.url}/a%20b.zip?sig=1", file, LIMITS)
    assert file.getvalue() == BODY
    assert server.requests[0].path == "/a%20b.zip?sig=1"
    assert server.requests[0].headers["accept-encoding"] == "identity"


def test_a_body_without_a_length_is_downloaded_in_chunks() -> None:
    assert fetched(chunked(BODY[:100], BODY[100:]))[0] == BODY


class TestResuming:
    def test_a_broken_connection_is_resumed_at_the_byte_where_it_broke(self) -> None:
        replies = content(BODY, cut=1000, headers=ETAG), broken(), part(1000, cut=500), part(1500)
        assert fetched(*replies) == (
            BODY,
            [(None, None), *[("bytes=1000-", '"v1"')] * 2, ("bytes=1500-", '"v1"')],
        )

    def test_the_time_of_the_last_change_is_the_condition_without_an_etag(self) -> None:
        date = "Sat, 31 Jan 2026 12:00:00 GMT"
        replies = content(BODY, cut=1000, headers={"Last-Modified": date, "ETag": 'W/"weak"'}), part(1000, etag="")
        assert fetched(*replies)[1][1] == ("bytes=1000-", date)

    def test_a_server_without_ranges_sends_all_again(self) -> None:
        assert fetched(content(BODY, cut=1000, headers=ETAG), content(BODY, headers=ETAG))[0] == BODY

    def test_without_a_validator_the_download_begins_again(self) -> None:
        body, requests = fetched(content(BODY, cut=1000), content(BODY))
        assert (body, requests) == (BODY, [(None, None)] * 2)

    @pytest.mark.parametrize(
        "reply",
        [
            content(BODY, headers={"ETag": '"v2"'}),
            content(BODY + b"more", headers=ETAG),
            content(BODY),
            part(1000, etag='"v2"'),
            part(1000, total=9),
            content(b"", 416),
        ],
        ids=["another ETag", "another length", "no ETag", "a part of another ETag", "another total", "no such range"],
    )
    def test_content_that_changed_meanwhile_is_an_error(self, reply: Reply) -> None:
        error = error_of(content(BODY, cut=1000, headers=ETAG), reply)
        assert isinstance(error, Conflict)
        assert error.code == "source_changed"

    @pytest.mark.parametrize("stated", ["bytes 0-9/10240", "bytes 999-10239/10240", "", "items 1000-1/2"])
    def test_another_range_than_requested_is_an_error(self, stated: str) -> None:
        wrong = content(BODY[1000:], 206, headers={"ETag": '"v1"', "Content-Range": stated})
        assert error_of(content(BODY, cut=1000, headers=ETAG), wrong).code == "source_refused"

    def test_a_connection_that_breaks_each_time_is_given_up(self) -> None:
        error = error_of(content(BODY, cut=1000))
        assert isinstance(error, Unavailable)
        assert "ended after 1000 of 10240 bytes" in error.detail

    def test_chunks_without_their_end_are_not_complete(self) -> None:
        assert isinstance(error_of(chunked(BODY, end=False)), Unavailable)


class TestStatuses:
    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
    def test_a_transient_status_is_retried(self, status: int) -> None:
        body, requests = fetched(content(b"busy", status, headers={"Retry-After": "0"}), content(BODY))
        assert (body, len(requests)) == (BODY, 2)

    def test_a_server_that_asks_for_more_time_than_there_is_is_given_up(self) -> None:
        error = error_of(content(b"busy", 503, headers={"Retry-After": "3600"}))
        assert isinstance(error, Unavailable)
        assert "503" in error.detail

    @pytest.mark.parametrize(
        ("status", "kind", "code"),
        [
            (403, Invalid, "source_refused"),
            (401, Invalid, "source_refused"),
            (404, NotFound, "source_not_found"),
            (410, NotFound, "source_not_found"),
            (204, Invalid, "source_refused"),
            (400, Invalid, "source_refused"),
        ],
    )
    def test_other_statuses_are_errors_at_once(self, status: int, kind: type[GlassboxError], code: str) -> None:
        error = error_of(content(b"", status))
        assert (type(error), error.code) == (kind, code)
        assert str(status) in error.detail

    def test_a_content_coding_is_an_error(self) -> None:
        assert "gzip" in error_of(content(BODY, headers={"Content-Encoding": "gzip"})).detail


class TestLimits:
    def test_a_stated_length_above_the_limit_is_refused_before_the_body(self) -> None:
        error = error_of(content(BODY, cut=0), limits=replace(LIMITS, nbytes=100))
        assert isinstance(error, TooLarge)
        assert "GLASSBOX_MAX_SOURCE_BYTES" in error.detail

    def test_a_body_above_the_limit_is_refused_without_a_stated_length(self) -> None:
        assert isinstance(error_of(chunked(BODY), limits=replace(LIMITS, nbytes=100)), TooLarge)

    def test_space_is_weighed_before_the_download(self) -> None:
        error = error_of(content(BODY, cut=0), limits=replace(LIMITS, free=lambda: 240))
        assert isinstance(error, StorageFull)
        assert "10,000 bytes are missing" in error.detail

    @pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin"])
    def test_a_server_that_stalls_is_given_up(self, begin: bytes) -> None:
        error = error_of(stalling(begin), limits=replace(LIMITS, idle_seconds=0.05))
        assert "no data for 0.05 s" in error.detail

    def test_the_whole_download_has_a_time_limit(self) -> None:
        error = error_of(stalling(b""), limits=replace(LIMITS, seconds=0.1))
        assert "GLASSBOX_SOURCE_SECONDS" in error.detail

    def test_a_slow_server_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "RATE_AFTER", 0.0)
        error = error_of(content(BODY), limits=replace(LIMITS, rate=1e12))
        assert "GLASSBOX_CLIENT_RATE" in error.detail


def stalling(begin: bytes) -> Reply:
    """Reply with these bytes, then with nothing until the client closes the connection."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(begin)
        handler.rfile.read(1)
        handler.close_connection = True

    return reply


class TestAddresses:
    def test_redirects_are_followed(self) -> None:
        with scripted(content(BODY)) as other:
            assert fetched(redirect(f"{other.url}/x"), redirect("/y", 307), content(BODY))[0] == BODY
            assert fetched(redirect("/again", 308), redirect(f"{other.url}/x#part"))[0] == BODY
            assert other.requests[-1].path == "/x"

    def test_a_circle_of_redirects_is_an_error(self) -> None:
        assert "more than 5 times" in error_of(redirect("/again")).detail

    @pytest.mark.parametrize(
        "location",
        [
            "file:///etc/passwd",
            "http://169.254.169.254/",
            "http://name:hunter2@127.0.0.1/",
            "",
            "http://[::ffff:a9fe:a9fe]/",
        ],
    )
    def test_a_redirect_to_another_place_is_refused(self, location: str) -> None:
        error = error_of(redirect(location))
        assert isinstance(error, Invalid)
        assert "hunter2" not in error.detail

    @pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "[::1]", "169.254.169.254"])
    def test_internal_addresses_are_refused(self, host: str) -> None:
        with pytest.raises(Invalid, match="is an internal address"):
            download(f"https://{host}/images.zip", io.BytesIO(), replace(LIMITS, allow_private=False))

    def test_an_internal_name_is_like_an_unknown_one(self) -> None:
        with pytest.raises(Unavailable, match="cannot be resolved to an address to which requests for files are sent"):
            download("https://localhost/images.zip", io.BytesIO(), replace(LIMITS, allow_private=False))

    @pytest.mark.parametrize(
        "url",
        ["http://example.org/a.zip", "https://name:hunter2@example.org/a.zip", "https:///a.zip", "https://[::1/a"],
    )
    def test_other_urls_are_refused_without_a_request(self, url: str) -> None:
        with pytest.raises(Invalid) as error:
            download(url, io.BytesIO(), replace(LIMITS, allow_private=False))
        assert error.value.code == "source_invalid"
        assert "hunter2" not in error.value.detail

    def test_a_server_that_cannot_be_reached_is_given_up(self) -> None:
        with pytest.raises(Unavailable, match="the connection failed"):
            download(f"http://127.0.0.1:{closed_port()}/a.zip", io.BytesIO(), LIMITS)

    def test_a_server_without_tls_is_an_error(self) -> None:
        with scripted(content(BODY)) as server, pytest.raises(Unavailable):
            download(server.url.replace("http:", "https:") + "/a.zip", io.BytesIO(), LIMITS)


def test_no_credentials_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        error_of(content(b"", 503))
    assert "/images.zip?…" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/a?sig=1#x", "https://h/a?…"),
        ("https://name:hunter2@h:8/a", "https://h:8/a"),
        ("https://[::1/a", "the URL"),
    ],
)
def test_credentials_are_not_shown(url: str, shown: str) -> None:
    assert redacted(url) == shown
