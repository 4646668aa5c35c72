"""Client addresses after a reverse proxy: `X-Forwarded-*` headers are trusted only from proxies that a setting names.

A host name may resolve to several addresses, which change when containers restart. So it is resolved again when an
unknown address connects, at most once per `LOOK_UP_SECONDS`.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.middleware.proxy_fix import ProxyFix

log = logging.getLogger(__name__)

LOOK_UP_SECONDS = 1.0  # the minimum between two DNS lookups


class BehindProxies:
    """A WSGI middleware that replaces a trusted proxy's address and scheme with the client's.

    proxies: addresses, networks (10.0.0.0/8) and host names.
    """

    def __init__(self, application: WSGIApplication, proxies: Sequence[str]) -> None:
        self._application = application
        self._corrected = ProxyFix(application, x_for=1, x_proto=1, x_host=0)  # the proxy keeps the client's `Host`
        self._networks = [network for text in proxies if (network := _network(text))]
        self._names = [text for text in proxies if _network(text) is None]
        self._addresses: frozenset[str] = frozenset()
        self._looked_up = float("-inf")

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Handle a request."""
        trusted = self._trusts(environ.get("REMOTE_ADDR", ""))
        return (self._corrected if trusted else self._application)(environ, start_response)

    def _trusts(self, address: str) -> bool:
        try:
            peer = ip_address(address)
        except ValueError:  # the peer of a Unix socket has no address
            return False
        if isinstance(peer, IPv6Address) and peer.ipv4_mapped:  # IPv4 peer of a socket bound to [::]
            peer = peer.ipv4_mapped
        if str(peer) in self._addresses or any(peer in network for network in self._networks):
            return True
        if self._names and time.monotonic() - self._looked_up >= LOOK_UP_SECONDS:
            self._looked_up = time.monotonic()
            self._addresses = frozenset(found for name in self._names for found in _addresses(name))
        return str(peer) in self._addresses


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _addresses(name: str) -> list[str]:
    """Return the addresses that the name resolves to now; empty if it does not resolve."""
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
    except OSError as error:
        log.info("the trusted proxy %r does not resolve: %s", name, error)
        return []
