"""The Host header of requests (RFC 9110, section 7.2)."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from wsgiref.types import WSGIEnvironment

from shared.errors import Malformed

# RFC 3986, section 3.2.2, without the comma: it would allow two headers, which the server joins with one.
HOST = re.compile(r"(\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|([A-Za-z0-9._~!$&'()*+;=-]|%[0-9A-Fa-f]{2})+)(:[0-9]{0,5})?")


def check_host(environ: WSGIEnvironment) -> None:
    """Raise `Malformed` if the Host is malformed, or missing in HTTP/1.1 (RFC 9112, section 3.2)."""
    host = environ.get("HTTP_HOST")
    if host is None and environ.get("SERVER_PROTOCOL") != "HTTP/1.0":
        raise Malformed("malformed_host", "the request has no Host header; HTTP/1.1 requires one")
    if host is not None and not _is_valid(host):
        raise Malformed(
            "malformed_host", f"Host must be one host name or address, with or without a port; got {host!r}"
        )


def _is_valid(host: str) -> bool:
    match = HOST.fullmatch(host)
    try:
        return match is not None and (match["ipv6"] is None or bool(IPv6Address(match["ipv6"])))
    except ValueError:
        return False
