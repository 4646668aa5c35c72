"""One POST to a webhook: resolves the host, validates its addresses, and connects to one of these addresses.

The name is resolved only once, so DNS rebinding has no effect. The client follows no redirect, uses no proxy, and reads
only the head of the response.
"""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from shared.addresses import Target, is_address, is_allowed
from worker.webhooks.response import Response, read_response

log = logging.getLogger(__name__)

UNRESOLVED = "the name {host} cannot be resolved to an address to which webhooks are sent"
CONNECT_SECONDS = 5.0  # to one address
MOST_ADDRESSES = 3  # to try


class Refused(Exception):
    """Webhooks may not be sent to the address in this URL."""


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


def post(target: Target, headers: Mapping[str, str], body: bytes, seconds: float, *, allow_private: bool) -> Response:
    """Send the message; return the response. Raises `Refused` or `Unreachable`.

    seconds: the time limit in all, from connecting to the end of the head, even if the receiver sends byte by byte.
    """
    connection = Connection(target, resolve(target, allow_private=allow_private), seconds)
    try:
        with ended_after(seconds, connection):
            connection.request("POST", target.path, body, dict(headers))
            with connection.sock.makefile("rb") as file:
                return read_response(file)
    except TimeoutError as error:
        raise Unreachable(f"no response within {seconds:g} s") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(f"no response: {str(error) or type(error).__name__}") from error
    finally:
        connection.close()


def resolve(target: Target, *, allow_private: bool) -> list[str]:
    """Return the first few of the host's addresses. Raises `Refused`, or for a name `Unreachable`.

    The error is the same for a name that does not exist and for one with an address that is not allowed: users must not
    find out the names of an internal network. Only the log has the difference.
    """
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        log.info("the name %s cannot be resolved: %s", target.host, error)
        raise Unreachable(UNRESOLVED.format(host=target.host)) from None
    addresses = [str(address[0]) for *_, address in found]
    if all(is_allowed(address, allow_private=allow_private) for address in addresses):
        return addresses[:MOST_ADDRESSES]
    if is_address(target.host):
        raise Refused(f"{target.host} is an internal address, to which webhooks are not sent")
    log.info("the name %s has an address to which webhooks are not sent: %s", target.host, ", ".join(addresses))
    raise Unreachable(UNRESOLVED.format(host=target.host))


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
