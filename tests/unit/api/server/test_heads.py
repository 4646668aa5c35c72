"""Received bytes: whether a thread can parse the head, and whether it must wait for the body."""

from __future__ import annotations

import pytest

from api.server.heads import is_complete, is_liveness_check, lacks_body

HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize("received", [
    b"GET / HTTP/1.1\r\n\r\n", HEAD + b"\r\n", HEAD + b"\r\nbody", b"\r\n" + HEAD + b"\r\n",
    b"GET / HTTP/1.1\nHost", b"\n",  # lines that the parser rejects
])  # fmt: skip
def test_complete_head_is_recognized(received: bytes) -> None:
    assert is_complete(received)


@pytest.mark.parametrize(
    "received", [b"", b"\r", b"\r\n", b"\r\n\r\n", b"GET / HT", HEAD, HEAD + b"\r", b"\r\n" + HEAD]
)
def test_incomplete_head_is_recognized(received: bytes) -> None:
    assert not is_complete(received)


@pytest.mark.parametrize(("fields", "body"), [
    (b"", b""),
    (b"Content-Length: 0\r\n", b""),
    (b"content-length:4\r\n", b"body"),
    (b"Content-Length: 4\r\n", b"body and the next request"),
    (b"X-Content-Length: 9\r\n", b""),
    (b"Content-Length: \r\n", b""),  # invalid: the parser rejects it at once
])  # fmt: skip
def test_request_with_all_of_its_body_lacks_nothing(fields: bytes, body: bytes) -> None:
    assert not lacks_body(HEAD + fields + b"\r\n" + body)


@pytest.mark.parametrize(("fields", "body"), [
    (b"Content-Length: 5\r\n", b"body"),
    (b"CONTENT-LENGTH:\t5\r\n", b""),
    (b"Content-Length: 99999999999999999999999999999\r\n", b"body"),
    (b"Transfer-Encoding: chunked\r\n", b"4\r\nbody\r\n"),
])  # fmt: skip
def test_request_without_all_of_its_body_is_recognized(fields: bytes, body: bytes) -> None:
    assert lacks_body(HEAD + fields + b"\r\n" + body)


@pytest.mark.parametrize(("line", "expected"), [
    (b"GET /healthz HTTP/1.1", True),
    (b"HEAD /v2/health/live HTTP/1.1", True),
    (b"GET /readyz HTTP/1.1", False),
    (b"GET /healthz/other HTTP/1.1", False),
    (b"POST /healthz HTTP/1.1", False),
])  # fmt: skip
def test_liveness_check_is_recognized(line: bytes, expected: bool) -> None:
    assert is_liveness_check(line + b"\r\nHost: localhost\r\n\r\n") is expected
