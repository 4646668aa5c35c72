"""A connection to the host of a user's URL: the name is resolved once, and only allowed addresses are connected to.

DNS rebinding has no effect, because the connection is made to an address that was checked.
"""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from shared.addresses import Target, is_address, is_allowed

log = logging.getLogger(__name__)

UNRESOLVED = "the name {host} cannot be resolved to an address to which {what} are sent"
CONNECT_SECONDS = 5.0  # to one address
MOST_ADDRESSES = 3  # to try


class Refused(Exception):
    """Requests may not be sent to the address in this URL."""


class Unreachable(Exception):
    """No response: the name has no address that is allowed, the connection was refused, or it took too long."""


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
            self.sock = self._tls.wrap_socket(
                self.sock, server_hostname=self.host.rstrip("."), do_handshake_on_connect=False
            )
            self.sock.do_handshake()

    def _first_that_accepts(self) -> socket.socket:
        *others, last = self._addresses
        for address in others:
            with suppress(OSError):
                return socket.create_connection((address, self.port), CONNECT_SECONDS)
        return socket.create_connection((last, self.port), CONNECT_SECONDS)


def resolve(target: Target, what: str, *, allow_private: bool) -> list[str]:
    """Return the first few of the host's addresses. Raises `Refused`, or for a name `Unreachable`.

    what: is sent there, such as "webhooks". The error is the same for a name that does not exist and for one with an
    address that is not allowed: users must not find out the names of an internal network. Only the log has the
    difference.
    """
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        log.info("the name %s cannot be resolved: %s", target.host, error)
        raise Unreachable(UNRESOLVED.format(host=target.host, what=what)) from None
    addresses = [str(address[0]) for *_, address in found]
    if all(is_allowed(address, allow_private=allow_private) for address in addresses):
        return addresses[:MOST_ADDRESSES]
    if is_address(target.host):
        raise Refused(f"{target.host} is an internal address, to which {what} are not sent")
    log.info("the name %s has an address to which %s are not sent: %s", target.host, what, ", ".join(addresses))
    raise Unreachable(UNRESOLVED.format(host=target.host, what=what))


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
