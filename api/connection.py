"""The connection to the client behind a request, as far as the server shows it: whether anybody is there still."""

from __future__ import annotations

import select
import socket
from collections.abc import Mapping
from typing import Any

READABLE = select.POLLIN | select.POLLHUP | select.POLLERR


class Connection:
    """A client's socket, which is only looked at, never read or written: that is the server's to do.

    A server that shows no socket, as that of the tests, is taken to have a client who stays.
    """

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._socket: socket.socket | None = environ.get("gunicorn.socket")

    def is_open(self) -> bool:
        """Whether the client has not closed its side."""
        if self._socket is None or not self._ready(READABLE, 0.0):
            return True
        try:
            peeked = socket.socket.recv(self._socket, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)  # beneath TLS, too
        except BlockingIOError:
            return True
        except OSError:
            return False
        return peeked != b""

    def takes_bytes(self, within: float) -> bool:
        """Whether the client takes more bytes, or begins to within so many seconds."""
        return self._socket is None or self._ready(select.POLLOUT, within)

    def _ready(self, events: int, within: float) -> bool:
        assert self._socket is not None
        poll = select.poll()
        poll.register(self._socket, events)
        return bool(poll.poll(within * 1000))
