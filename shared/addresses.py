"""The rules for webhook URLs: the parts of a URL, and which IP addresses are internal and therefore rejected.

A service that sends requests to URLs of its users can be abused to reach hosts that only the service can reach
(server-side request forgery). So the address is validated after the name is resolved, and the connection is made to
that address.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}
LONGEST_URL = 2000
# IPv6 networks whose last 32 bits are an IPv4 address: compatible (RFC 4291), translated (RFC 7915), NAT64 (RFC 6052,
# RFC 8215).
EMBED_IPV4 = tuple(map(IPv6Network, ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")))


@dataclass(frozen=True)
class Target:
    """A URL in its parts: the host to resolve, the port to connect to, the path to request."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> Target:
        """Parse a URL; raises ValueError with the reason if a webhook cannot have it."""
        if len(url) > LONGEST_URL:
            raise ValueError(f"is longer than {LONGEST_URL} characters")
        if not (url.isascii() and url.isprintable()) or set(url) & set(' "<>\\^`{|}'):
            raise ValueError("contains a character that must be percent-encoded")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ValueError(f"is not a URL: {error}") from error
        if parts.scheme not in PORTS:
            raise ValueError("must begin with https:// or http://")
        if not host or port == 0:
            raise ValueError("must have a host, and a port other than 0")
        if "@" in parts.netloc:
            raise ValueError("must not contain a user name or a password")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme, host, port or PORTS[parts.scheme], path)


def is_allowed(address: str, *, allow_private: bool) -> bool:
    """Return whether a webhook may be sent to this IP address.

    Public addresses are allowed, those of private networks and of this machine only with `allow_private`. Link-local
    addresses (clouds serve their machines' credentials there), multicast and unspecified addresses are never allowed.
    """
    ip = ip_address(address.partition("%")[0])
    if ip.is_loopback:
        return allow_private
    if ip.is_unspecified or ip.is_multicast or ip.is_link_local:
        return False
    if isinstance(ip, IPv6Address):
        embedded = _embedded_ipv4(ip)
        if embedded is not None:
            return is_allowed(str(embedded), allow_private=allow_private)
        if ip.is_site_local:  # deprecated, but still in private use
            return allow_private
    return ip.is_global or (allow_private and not ip.is_reserved)


def problem_of(url: str, *, allow_private: bool) -> str | None:
    """Return the reason why a webhook cannot have this URL; None if it can.

    An IP address in the URL is checked here. A name's addresses may change, so they are checked at each delivery.
    """
    try:
        host = Target.parse(url).host
    except ValueError as error:
        return str(error)
    if is_address(host) and not is_allowed(host, allow_private=allow_private):
        return "is an internal address; webhooks are not sent to internal addresses"
    return None


def is_address(host: str) -> bool:
    """Return whether a URL's host is an IP address, which needs no name resolution."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _embedded_ipv4(ip: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that packets to this address may be sent on to; None if there is none."""
    if ip.ipv4_mapped or ip.sixtofour:
        return ip.ipv4_mapped or ip.sixtofour
    if ip.teredo:
        return ip.teredo[1]
    if any(ip in network for network in EMBED_IPV4):
        return IPv4Address(int(ip) & 0xFFFF_FFFF)
    return None
