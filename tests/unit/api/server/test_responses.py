"""Responses are sent in as few pieces as possible, with the same bytes as gunicorn's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.http import wsgi

from api.server.responses import OnePieceResponse


class Sock:
    """Records what is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        """Record the bytes."""
        self.sent.append(bytes(data))


def send(kind: Any, parts: list[bytes], length: int | None, method: str = "GET", status: str = "200 OK") -> list[bytes]:
    """Send a response; return what the socket was given, without the changing date."""
    sock = Sock()
    request = SimpleNamespace(method=method, version=(1, 1), should_close=lambda: False)
    response = kind(request, sock, SimpleNamespace(protocol="http", is_ssl=False))
    headers = [("X-Name", "\xe9")] + ([("Content-Length", str(length))] if length is not None else [])
    response.start_response(status, headers)
    for part in parts:
        response.write(part)
    response.close()
    assert response.headers_sent
    return [piece for piece in (b"\r\n".join(_undated(piece)) for piece in sock.sent) if piece]


def _undated(piece: bytes) -> list[bytes]:
    return [line for line in piece.split(b"\r\n") if not line.startswith(b"Date:")]


def test_a_body_in_one_piece_is_sent_with_the_head() -> None:
    assert len(send(OnePieceResponse, [b"body"], 4)) == 1


@pytest.mark.parametrize(
    ("parts", "length", "method", "status"),
    [
        ([b"body"], 4, "GET", "200 OK"),
        ([b"bo", b"dy"], 4, "GET", "200 OK"),
        ([b"body"], None, "GET", "200 OK"),
        ([b"body and more"], 4, "GET", "200 OK"),
        ([b"body"], 4, "HEAD", "200 OK"),
        ([b""], 0, "GET", "200 OK"),
        ([b""], None, "GET", "204 No Content"),
        ([], 0, "GET", "200 OK"),
    ],
)
def test_the_bytes_are_those_of_gunicorn(parts: list[bytes], length: int | None, method: str, status: str) -> None:
    assert b"".join(send(OnePieceResponse, parts, length, method, status)) == b"".join(
        send(wsgi.Response, parts, length, method, status)
    )
