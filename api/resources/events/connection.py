"""The connection of an event stream's client."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import MutableMapping
from typing import Any

READABLE = select.POLLIN | select.POLLHUP | select.POLLERR
SENT = "glassbox.sent"  # in the WSGI environment: the bytes of the response that the server has not sent itself


class Connection:
    """A client's socket. If the server exposes none, as in tests, the client counts as connected.

    The server's thread sends the response. While it waits inside the response's iterator, another thread may send the
    next bytes without waiting (`send_now`), so that it need not wake the server's thread.
    """

    def __init__(self, environ: MutableMapping[str, Any]) -> None:
        self.environ = environ
        self._socket: socket.socket | None = environ.get("gunicorn.socket")
        self._is_chunked = environ.get("SERVER_PROTOCOL") == "HTTP/1.1"

    @property
    def takes_bytes_directly(self) -> bool:
        """Whether another thread than the server's can send bytes: below TLS, it cannot."""
        return self._socket is not None and not isinstance(self._socket, ssl.SSLSocket)

    def is_open(self) -> bool:
        """Return whether the client has not closed the connection."""
        if self._socket is None or not self._ready(READABLE, 0.0):
            return True
        try:
            peeked = socket.socket.recv(self._socket, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)  # below TLS
        except BlockingIOError:
            return True
        except OSError:
            return False
        return peeked != b""

    def takes_bytes(self, within: float) -> bool:
        """Return whether the socket becomes writable within this many seconds."""
        return self._socket is None or self._ready(select.POLLOUT, within)

    def send_now(self, data: bytes) -> bytes:
        """Send a piece of the response's body without waiting; return the bytes that the socket does not take yet.

        Raises OSError.
        """
        assert self._socket is not None
        framed = b"%X\r\n%b\r\n" % (len(data), data) if self._is_chunked else data
        try:
            sent = socket.socket.send(self._socket, framed, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        self.environ[SENT] = self.environ.get(SENT, 0) + len(data)
        return framed[sent:]

    def send_rest(self, rest: bytes) -> None:
        """Send the bytes that `send_now` has returned, and wait for the client within its limits. Raises OSError."""
        assert self._socket is not None
        self._socket.sendall(rest)

    def _ready(self, events: int, within: float) -> bool:
        assert self._socket is not None
        poll = select.poll()
        poll.register(self._socket, events)
        return bool(poll.poll(within * 1000))
