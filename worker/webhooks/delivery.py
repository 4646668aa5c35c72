"""One POST to a webhook: resolved, judged, and sent to the very address that was judged.

A name that resolves to something else a moment later (DNS rebinding) changes nothing, for it is not resolved again. No
redirect is followed, no proxy is used, and of the answer nothing is read but its status.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from shared.addresses import Target, is_allowed

CONNECT_SECONDS = 5.0  # to one address
MOST_ADDRESSES = 3  # that are tried


class Refused(Exception):
    """The address is one that webhooks may not be sent to."""


class Unreachable(Exception):
    """No answer came: the name is unknown, nobody listens, or it took too long."""


class Connection(http.client.HTTPConnection):
    """A connection to the first of these addresses that answers, whatever the host's name resolves to now."""

    def __init__(self, target: Target, addresses: Sequence[str], seconds: float) -> None:
        super().__init__(target.host, target.port, timeout=seconds)
        self.default_port = target.port if target.scheme == "https" and target.port == 443 else 80
        self._addresses = addresses
        self._tls = ssl.create_default_context() if target.scheme == "https" else None

    def connect(self) -> None:
        """Connect, and for https make sure that the host is who it says."""
        self.sock = self._first_that_answers()
        self.sock.settimeout(self.timeout)
        if self._tls is not None:
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            self.sock.do_handshake()

    def _first_that_answers(self) -> socket.socket:
        *others, last = self._addresses
        for address in others:
            with suppress(OSError):
                return socket.create_connection((address, self.port), CONNECT_SECONDS)
        return socket.create_connection((last, self.port), CONNECT_SECONDS)


def post(target: Target, headers: Mapping[str, str], body: bytes, seconds: float, *, allow_private: bool) -> int:
    """Send the message; returns the answer's status. Raises `Refused` or `Unreachable`.

    seconds: how long it may take in all, from connecting to the status, however slowly the answer drips.
    """
    connection = Connection(target, resolve(target, allow_private=allow_private), seconds)
    try:
        with ended_after(seconds, connection):
            connection.request("POST", target.path, body, dict(headers))
            return connection.getresponse().status
    except TimeoutError as error:
        raise Unreachable(f"no answer within {seconds:g} s") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(f"no answer: {str(error) or type(error).__name__}") from error
    finally:
        connection.close()


def resolve(target: Target, *, allow_private: bool) -> list[str]:
    """The host's addresses, a few; raises `Refused` where any of them all is not allowed, or `Unreachable`."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"the name {target.host} cannot be resolved: {error}") from error
    addresses = [str(where[0]) for *_, where in found]
    if not all(is_allowed(address, allow_private=allow_private) for address in addresses):
        raise Refused(f"{target.host} is an internal address, to which webhooks are not sent")
    return addresses[:MOST_ADDRESSES]


@contextmanager
def ended_after(seconds: float, connection: Connection) -> Iterator[None]:
    """End the connection after so many seconds, whatever waits for it; raises TimeoutError then."""
    timed_out = threading.Event()

    def end() -> None:
        timed_out.set()
        with suppress(OSError):
            if connection.sock is not None:
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)  # beneath TLS: nothing is said farewell

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        if timed_out.is_set():
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
    if timed_out.is_set():  # an answer that breaks off after its status may look like a whole one
        raise TimeoutError
