"""One POST to a webhook: resolves the host, validates its addresses, and connects to one of these addresses.

The name is resolved only once, so DNS rebinding has no effect. The client follows no redirect, uses no proxy, and reads
only the status of the response.
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
MOST_ADDRESSES = 3  # to try


class Refused(Exception):
    """Webhooks may not be sent to this address."""


class Unreachable(Exception):
    """No response: the name is unknown, the connection was refused, or it took too long."""


class Connection(http.client.HTTPConnection):
    """A connection to the first of these addresses that accepts it; the host's name is not resolved again."""

    def __init__(self, target: Target, addresses: Sequence[str], seconds: float) -> None:
        super().__init__(target.host, target.port, timeout=seconds)
        self.default_port = target.port if target.scheme == "https" and target.port == 443 else 80
        self._addresses = addresses
        self._tls = ssl.create_default_context() if target.scheme == "https" else None

    def connect(self) -> None:
        """Connect, and for https verify the host's certificate."""
        self.sock = self._first_that_accepts()
        self.sock.settimeout(self.timeout)
        if self._tls is not None:
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            self.sock.do_handshake()

    def _first_that_accepts(self) -> socket.socket:
        *others, last = self._addresses
        for address in others:
            with suppress(OSError):
                return socket.create_connection((address, self.port), CONNECT_SECONDS)
        return socket.create_connection((last, self.port), CONNECT_SECONDS)


def post(target: Target, headers: Mapping[str, str], body: bytes, seconds: float, *, allow_private: bool) -> int:
    """Send the message; return the status of the response. Raises `Refused` or `Unreachable`.

    seconds: the time limit in all, from connecting to the status, even if the receiver sends byte by byte.
    """
    connection = Connection(target, resolve(target, allow_private=allow_private), seconds)
    try:
        with ended_after(seconds, connection):
            connection.request("POST", target.path, body, dict(headers))
            return connection.getresponse().status
    except TimeoutError as error:
        raise Unreachable(f"no response within {seconds:g} s") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(f"no response: {str(error) or type(error).__name__}") from error
    finally:
        connection.close()


def resolve(target: Target, *, allow_private: bool) -> list[str]:
    """Return the first few of the host's addresses; raises `Refused` if any is not allowed, or `Unreachable`."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"the name {target.host} cannot be resolved: {error}") from error
    addresses = [str(address[0]) for *_, address in found]
    if not all(is_allowed(address, allow_private=allow_private) for address in addresses):
        raise Refused(f"{target.host} is an internal address, to which webhooks are not sent")
    return addresses[:MOST_ADDRESSES]


@contextmanager
def ended_after(seconds: float, connection: Connection) -> Iterator[None]:
    """End the connection after so many seconds, even during a blocking call; raises TimeoutError then."""
    timed_out = threading.Event()

    def end() -> None:
        timed_out.set()
        with suppress(OSError):
            if connection.sock is not None:
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)  # below TLS, without its closing handshake

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
    if timed_out.is_set():  # a response that ends after its status may look complete
        raise TimeoutError
