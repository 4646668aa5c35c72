"""A request's body on its way in: whatever breaks it off is an end of it, told once and waited for once.

The server in front raises what it likes where a client stalls, leaves, or sends chunks that are none. Whoever reads a
body counts what came; here the reading of it only ends.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import IO
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)


class Incoming:
    """A body that can be read until it ends; `broken_off` says whether that was the end that the client meant."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.broken_off = False

    def read(self, size: int = -1) -> bytes:
        """The next bytes, or none at the end; fewer than `size` come only at the end."""
        if self.broken_off:
            return b""
        try:
            return self._stream.read(size)
        except Exception as error:  # each server has its own
            log.info("a body was broken off: %s", error)
            self.broken_off = True
            return b""


class SafeBodies:
    """A WSGI application in front of another, whose requests' bodies never raise."""

    def __init__(self, application: WSGIApplication) -> None:
        self.application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Have the request answered."""
        environ["wsgi.input"] = Incoming(environ["wsgi.input"])
        return self.application(environ, start_response)


def is_broken_off(environ: WSGIEnvironment) -> bool:
    """Whether the body, as far as it was read, ended before its time, which the length of chunked ones cannot tell."""
    return getattr(environ["wsgi.input"], "broken_off", False)
