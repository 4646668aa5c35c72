"""The rules for webhook URLs: the parts of a URL, and to which IP addresses webhooks may be sent.

A service that sends requests to URLs of its users can be abused to reach hosts that only the service can reach
(server-side request forgery). So the address is validated after the name is resolved, and the connection is made to
that address. An address is allowed if it belongs to a network that is listed as allowed, not because it belongs to none
that is listed as forbidden.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}
LONGEST_URL = 2000
LONGEST_HOST = 253
LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
"""A label of a host name (RFC 1123), also with the underscore that container networks allow."""

NUMBER = re.compile(r"[0-9]+|0[Xx][0-9A-Fa-f]*")
"""The last label of an IPv4 address in any of its notations; no top-level domain is a number."""

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]


class Reach(IntEnum):
    """Who can be reached at an address; the order is from the most to the least harmless."""

    PUBLIC = 0  # any host of the internet
    INTERNAL = 1  # this machine and private networks: only if the operator allows it
    FORBIDDEN = 2  # never: metadata of clouds, link-local, multicast, reserved


def _networks(*texts: str) -> Networks:
    return tuple(map(ip_network, texts))


UNICAST = _networks("0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/3", "2000::/3")
"""The unicast addresses of IPv4, and what IANA assigns as global unicast of IPv6 (RFC 4291, section 2.4)."""

SPECIAL = _networks(
    *("0.0.0.0/8", "192.0.0.0/24", "192.88.99.0/24"),  # this network, protocol assignments, 6to4 relays
    *("2001::/23", "5f00::/16"),  # protocol assignments, such as benchmarks and ORCHIDs; segment routing
)
"""Unicast networks for special purposes, whose hosts are not on the internet (IANA's registries, RFC 6890)."""

INTERNAL = _networks(
    *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15"),
    *("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),  # documentation, and therefore also laboratories
    *("::1/128", "fc00::/7", "fec0::/10", "2001:db8::/32", "3fff::/20"),
)
"""This machine and private networks."""

METADATA = _networks(
    *("169.254.0.0/16", "fe80::/10"),  # link-local: AWS, Azure, Google, Oracle, Hetzner, OpenStack and most others
    *("168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32", "192.80.8.124/32"),  # Azure, Alibaba, Oracle, Equinix
    *("100.100.2.136/32", "100.100.2.138/32", "161.26.0.0/16", "166.8.0.0/14"),  # Alibaba's resolvers, IBM's services
    *(
        "fd00:ec2::/32",
        "fd20:ce::254/128",
        "fd00:c1::a9fe:a9fe/128",
        "fd00:42::42/128",
    ),  # AWS, Google, Oracle, Scaleway
)
"""Addresses at which clouds serve a machine's credentials and other services, some among public or private ones."""

WITH_IPV4_AT_THE_END = _networks("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")
"""IPv6 networks whose last 32 bits are an IPv4 address: compatible and mapped (RFC 4291), translated (RFC 7915), and
NAT64 (RFC 6052)."""

TRANSLATED = WITH_IPV4_AT_THE_END + _networks("2001::/32")
"""Networks whose addresses stand for IPv4 addresses; the last one is Teredo's (RFC 4380)."""

LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
"""NAT64 inside of a network (RFC 8215). The IPv4 address is at one of four places (RFC 6052, section 2.2)."""


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
        is_bracketed = parts.netloc.startswith("[")
        if is_bracketed and not re.fullmatch(r"\[[^]]*\](:[0-9]*)?", parts.netloc):
            raise ValueError("has characters after the brackets of its address")
        _check_host(host, is_bracketed=is_bracketed)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme, host, port or PORTS[parts.scheme], path)


def _check_host(host: str, *, is_bracketed: bool) -> None:
    """Raise ValueError unless this is an IPv6 address in brackets, an IPv4 address with four numbers, or a host name.

    Resolvers read other notations of IPv4, such as 127.1, 0x7f000001 and 2130706433, as addresses, too. A URL may have
    only the one that is checked at submission.
    """
    if is_bracketed:
        if "%" in host:
            raise ValueError("must not have a zone in its address")
        try:
            IPv6Address(host)
        except ValueError as error:
            raise ValueError(f"has an invalid IPv6 address: {error}") from error
        return
    labels = host.removesuffix(".").split(".")
    if NUMBER.fullmatch(labels[-1]):
        try:
            IPv4Address(host)
        except ValueError:
            raise ValueError("must have an IPv4 address as four decimal numbers, such as 192.0.2.1") from None
    elif len(host) > LONGEST_HOST or not all(map(LABEL.fullmatch, labels)):
        raise ValueError("must have a host name of letters, digits, hyphens and dots; write others as xn--…")


def is_allowed(address: str, *, allow_private: bool) -> bool:
    """Return whether a webhook may be sent to this IP address.

    Public addresses are allowed, those of private networks and of this machine only with `allow_private`. Addresses of
    clouds' metadata, link-local, multicast, reserved and unspecified addresses are never allowed.
    """
    return reach_of(ip_address(address.partition("%")[0])) <= (Reach.INTERNAL if allow_private else Reach.PUBLIC)


def reach_of(ip: Address) -> Reach:
    """Return the reach of an address; if packets to it may be sent on to IPv4 addresses, the worst of all."""
    return max([_own_reach(ip), *map(reach_of, embedded_ipv4(ip))])


def _own_reach(ip: Address) -> Reach:
    if _is_in(ip, METADATA):
        return Reach.FORBIDDEN
    if _is_in(ip, INTERNAL) or ip in LOCAL_NAT64:
        return Reach.INTERNAL
    if _is_in(ip, TRANSLATED):
        return Reach.PUBLIC  # as far as the IPv4 addresses in it are
    return Reach.PUBLIC if _is_in(ip, UNICAST) and not _is_in(ip, SPECIAL) else Reach.FORBIDDEN


def _is_in(ip: Address, networks: Networks) -> bool:
    return any(ip in network for network in networks)


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


def embedded_ipv4(ip: Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses in an IPv6 address to which gateways and tunnels may send its packets on."""
    if isinstance(ip, IPv4Address) or ip == IPv6Address("::1"):
        return
    octets = ip.packed
    if _is_in(ip, WITH_IPV4_AT_THE_END):
        yield IPv4Address(octets[12:])
    if ip in LOCAL_NAT64:
        at_each_place = [IPv4Address((octets[place:8] + octets[9:])[:4]) for place in (6, 7, 8)]  # octet 8 is 0
        at_each_place.append(IPv4Address(octets[12:]))
        yield from [found for found in at_each_place if found not in SPECIAL[0]] or at_each_place
    if ip.sixtofour:
        yield ip.sixtofour
    if ip.teredo:
        yield from ip.teredo  # server and client
    if octets[8:12] in {b"\0\0\x5e\xfe", b"\2\0\x5e\xfe"}:  # ISATAP (RFC 5214)
        yield IPv4Address(octets[12:])
