"""Client addresses after a reverse proxy: which peers' `X-Forwarded-*` headers are trusted."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from api.app import create_app
from api.middleware.proxies import BehindProxies
from shared.runtime.settings import Settings

PROXY = "10.1.2.3"


@Request.application
def show_client(request: Request) -> Response:
    """Return the client's address, scheme and host as the application sees them."""
    return Response(f"{request.remote_addr} {request.scheme} {request.host}")


def seen(proxies: tuple[str, ...], peer: str = PROXY, **headers: str) -> str:
    """Return what the application sees of a request from `peer`."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    client = Client(BehindProxies(show_client, proxies))
    return client.get("/", environ_base={"REMOTE_ADDR": peer}, headers=headers).text


@pytest.mark.parametrize("proxies", [(PROXY,), ("10.0.0.0/8",), ("192.168.0.1", PROXY)])
def test_trusted_proxy_sets_the_client_address(proxies: tuple[str, ...]) -> None:
    assert seen(proxies, X_Forwarded_For="203.0.113.9") == "203.0.113.9 http localhost"


@pytest.mark.parametrize("proxies", [(PROXY,), ("10.0.0.0/8",)])
def test_ipv4_proxy_is_trusted_on_an_ipv6_socket(proxies: tuple[str, ...]) -> None:
    assert seen(proxies, f"::ffff:{PROXY}", X_Forwarded_For="203.0.113.9").split()[0] == "203.0.113.9"
    assert seen(proxies, "::ffff:203.0.113.1", X_Forwarded_For="203.0.113.9").split()[0] == "::ffff:203.0.113.1"


@pytest.mark.parametrize("peer", ["10.1.2.4", "127.0.0.1", ""])
def test_forwarded_address_of_an_untrusted_peer_is_ignored(peer: str) -> None:
    assert seen((PROXY,), peer, X_Forwarded_For="203.0.113.9").split()[0] in {peer, "None", "http"}


def test_last_of_several_forwarded_addresses_counts() -> None:
    assert seen((PROXY,), X_Forwarded_For="6.6.6.6, 203.0.113.9") == "203.0.113.9 http localhost"


def test_trusted_proxy_sets_the_scheme() -> None:
    assert seen((PROXY,), X_Forwarded_For="203.0.113.9", X_Forwarded_Proto="https") == "203.0.113.9 https localhost"


def test_forwarded_host_is_ignored() -> None:
    assert seen((PROXY,), X_Forwarded_Host="evil.example", Host="lab.example").endswith(" lab.example")


def test_proxy_without_forwarded_headers_is_the_client() -> None:
    assert seen((PROXY,)) == f"{PROXY} http localhost"


def test_addresses_of_a_trusted_host_name_are_trusted() -> None:
    assert seen(("localhost",), "127.0.0.1", X_Forwarded_For="203.0.113.9").startswith("203.0.113.9")


def test_unresolvable_host_name_trusts_no_peer() -> None:
    assert seen(("no-such-name.invalid",), X_Forwarded_For="203.0.113.9").startswith(PROXY)


def test_host_name_is_resolved_again_after_its_address_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = ["10.0.0.1"]

    def look_up(*_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr("api.middleware.proxies.LOOK_UP_SECONDS", 0.0)
    client = Client(BehindProxies(show_client, ("gateway",)))

    def seen_from(peer: str) -> str:
        headers = {"X-Forwarded-For": "203.0.113.9"}
        return client.get("/", environ_base={"REMOTE_ADDR": peer}, headers=headers).text.split()[0]

    assert seen_from("10.0.0.1") == "203.0.113.9"
    addresses[:] = ["10.0.0.2"]
    assert seen_from("10.0.0.2") == "203.0.113.9"
    assert seen_from("10.0.0.1") == "10.0.0.1"


def test_rate_limits_apply_to_the_client_instead_of_the_proxy(settings: Settings) -> None:
    limited = settings.model_copy(update={"rate_limit": 0.001, "rate_burst": 1, "trusted_proxies": (PROXY,)})
    client = create_app(limited).test_client()

    def status(address: str) -> int:
        return client.get(
            "/v1/models", environ_base={"REMOTE_ADDR": PROXY}, headers={"X-Forwarded-For": address}
        ).status_code

    assert status("203.0.113.1") == 200
    assert status("203.0.113.2") == 200
    assert status("203.0.113.1") == 429
