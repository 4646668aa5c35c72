"""A web server on the loopback interface with a few files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.support.servers.http_server import QuietHandler, running_server


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[str]:
    """Serve these files at their paths; yield the base URL."""

    class Handler(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802 - the name in http.server
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

    with running_server(Handler) as port:
        yield f"http://127.0.0.1:{port}/"
