"""A web server on the loopback interface that has a few files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.support.servers.http_server import QuietHandler, answering


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[str]:
    """Serve these files, by their paths, until the block ends; gives the address that they are below."""

    class Handler(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802 - the name that it looks for
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

    with answering(Handler) as port:
        yield f"http://127.0.0.1:{port}/"
