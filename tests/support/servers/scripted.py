"""A server on the loopback interface with scripted responses: statuses, JSON, bytes, broken connections."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import MappingProxyType
from typing import Any

from tests.support.servers.http_server import QuietHandler, running_server

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Request:
    """A received request; headers by lower-case names."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Reply = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Scripted:
    """Responds to each request with the next of `replies`, then with the last one; stores the requests."""

    port: int
    replies: list[Reply]
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def next_reply(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@contextmanager
def scripted(*replies: Reply) -> Iterator[Scripted]:
    """Run such a server until the block ends."""

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.requests.append(Request(self.command, self.path, headers, body))
            server.next_reply()(self)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer  # noqa: N815 - the names in http.server

    with running_server(Handler) as port:
        server = Scripted(port, list(replies))
        yield server


def content(body: bytes, status: int = 200, cut: int | None = None, headers: Mapping[str, str] = NOTHING) -> Reply:
    """Reply with these bytes; if `cut` is given, the connection breaks after this number of bytes."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body if cut is None else body[:cut])
        handler.close_connection = cut is not None

    return reply


def ranged(body: bytes, cut: int | None = None, headers: Mapping[str, str] = NOTHING) -> Reply:
    """Reply with the requested range of these bytes; `cut` as for `content`."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        first = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        content(body[first:], 206, cut, headers)(handler)

    return reply


def document(value: Any, status: int = 200, headers: Mapping[str, str] = NOTHING) -> Reply:
    """Reply with JSON."""
    return content(json.dumps(value).encode(), status, headers={"Content-Type": "application/json", **headers})


def problem(status: int, code: str, detail: str = "it is so", headers: Mapping[str, str] = NOTHING) -> Reply:
    """Reply with a problem in the API's format."""
    body = {"type": "about:blank", "title": "Problem", "status": status, "code": code, "detail": detail}
    return document(body, status, {"X-Request-Id": "request-1", **headers})


def broken() -> Reply:
    """Close the connection without a response."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True

    return reply
