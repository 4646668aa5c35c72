"""A webhook receiver on the loopback interface: sends the test's responses and stores the messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from standardwebhooks.webhooks import Webhook

from tests.support.servers.http_server import QuietHandler, running_server

Answer = int | Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Message:
    """A received message: the path, the headers by lower-case names, the body."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """Return the body's content, verified by the reference library."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """Responds to each message with the next of `answers`, which are statuses or functions; 204 after the last."""

    port: int
    answers: list[Answer] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?for=us"


@contextmanager
def receiving(*answers: Answer, address: tuple[str, int] = ("127.0.0.1", 0)) -> Iterator[Receiver]:
    """Run a receiver until the block ends."""

    class Handler(QuietHandler):
        def do_POST(self) -> None:  # noqa: N802 - the name in http.server
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = receiver.answers.pop(0) if receiver.answers else 204
            receiver.messages.append(Message(self.path, headers, body))
            if callable(answer):
                answer(self)
            else:
                self.send_response(answer)
                self.end_headers()

    with running_server(Handler, address) as port:
        receiver = Receiver(port, list(answers))
        yield receiver


def redirect_to(url: str) -> Answer:
    """Return a response that redirects the sender."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(307)
        handler.send_header("Location", url)
        handler.end_headers()

    return answer
