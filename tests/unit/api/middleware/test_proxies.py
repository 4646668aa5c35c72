"""Who is believed what it says of the client that it asks for."""

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
def who_asks(request: Request) -> Response:
    """Answers with what the application sees of its client."""
    return Response(f"{request.remote_addr} {request.scheme} {request.host}")


def seen(proxies: tuple[str, ...], peer: str = PROXY, **headers: str) -> str:
    """What the application sees of a request that comes from `peer`."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    client = Client(BehindProxies(who_asks, proxies))
    return client.get("/", environ_base={"REMOTE_ADDR": peer}, headers=headers).text


@pytest.mark.parametrize("proxies", [(PROXY,), ("10.0.0.0/8",), ("192.168.0.1", PROXY)])
def test_the_client_is_whom_a_trusted_proxy_names(proxies: tuple[str, ...]) -> None:
    assert seen(proxies, X_Forwarded_For="203.0.113.9") == "203.0.113.9 http localhost"


@pytest.mark.parametrize("proxies", [(PROXY,), ("10.0.0.0/8",)])
def test_an_ipv4_proxy_is_trusted_on_an_ipv6_socket(proxies: tuple[str, ...]) -> None:
    assert seen(proxies, f"::ffff:{PROXY}", X_Forwarded_For="203.0.113.9").split()[0] == "203.0.113.9"
    assert seen(proxies, "::ffff:203.0.113.1", X_Forwarded_For="203.0.113.9").split()[0] == "::ffff:203.0.113.1"


@pytest.mark.parametrize("peer", ["10.1.2.4", "127.0.0.1", ""])
def test_nobody_else_is_believed(peer: str) -> None:
    assert seen((PROXY,), peer, X_Forwarded_For="203.0.113.9").split()[0] in {peer, "None", "http"}


def test_of_several_addresses_the_one_counts_that_the_proxy_saw_itself() -> None:
    assert seen((PROXY,), X_Forwarded_For="6.6.6.6, 203.0.113.9") == "203.0.113.9 http localhost"


def test_the_scheme_is_the_proxys_word_too() -> None:
    assert seen((PROXY,), X_Forwarded_For="203.0.113.9", X_Forwarded_Proto="https") == "203.0.113.9 https localhost"


def test_the_host_is_what_the_client_sent() -> None:
    assert seen((PROXY,), X_Forwarded_Host="evil.example", Host="lab.example").endswith(" lab.example")


def test_without_a_word_of_it_the_client_is_the_proxy() -> None:
    assert seen((PROXY,)) == f"{PROXY} http localhost"


def test_a_name_stands_for_its_addresses() -> None:
    assert seen(("localhost",), "127.0.0.1", X_Forwarded_For="203.0.113.9").startswith("203.0.113.9")


def test_a_name_that_nobody_has_trusts_nobody() -> None:
    assert seen(("no-such-name.invalid",), X_Forwarded_For="203.0.113.9").startswith(PROXY)


def test_a_name_is_looked_up_again_when_its_address_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = ["10.0.0.1"]

    def look_up(*_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr("api.middleware.proxies.LOOK_UP_SECONDS", 0.0)
    client = Client(BehindProxies(who_asks, ("gateway",)))

    def seen_from(peer: str) -> str:
        headers = {"X-Forwarded-For": "203.0.113.9"}
        return client.get("/", environ_base={"REMOTE_ADDR": peer}, headers=headers).text.split()[0]

    assert seen_from("10.0.0.1") == "203.0.113.9"
    addresses[:] = ["10.0.0.2"]
    assert seen_from("10.0.0.2") == "203.0.113.9"
    assert seen_from("10.0.0.1") == "10.0.0.1"


def test_limits_count_for_the_client_and_not_for_the_proxy(settings: Settings) -> None:
    limited = settings.model_copy(update={"rate_limit": 0.001, "rate_burst": 1, "trusted_proxies": (PROXY,)})
    client = create_app(limited).test_client()

    def status(address: str) -> int:
        return client.get(
            "/v1/models", environ_base={"REMOTE_ADDR": PROXY}, headers={"X-Forwarded-For": address}
        ).status_code

    assert status("203.0.113.1") == 200
    assert status("203.0.113.2") == 200
    assert status("203.0.113.1") == 429
