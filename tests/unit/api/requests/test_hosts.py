"""The Host header: one host, which HTTP/1.1 requires."""

from __future__ import annotations

import pytest

from api.requests.hosts import check_host
from shared.errors import Malformed


@pytest.mark.parametrize(
    "host",
    [
        "example.org",
        "example.org:8000",
        "127.0.0.1",
        "[::1]",
        "[::]:80",
        "[::ffff:1.2.3.4]",
        "api",
        "a_b.example",
        "xn--caf-dma.example:",
    ],
)
def test_host_name_or_address_is_valid(host: str) -> None:
    check_host({"HTTP_HOST": host, "SERVER_PROTOCOL": "HTTP/1.1"})


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a b",
        "a,b",
        "a/b",
        "a@b",
        "http://a",
        "a:b",
        "a:123456",
        "[::1",
        "::1",
        "[:::::]",
        "[1.2.3.4]",
        "[1:2:3:4:5:6:7:8:9]:80",
        "[12345::]",
        "[]",
        "a\tb",
        "a?b",
        "a#b",
        "é",
        "%zz",
        ":80",
    ],
)
def test_malformed_host_is_rejected(host: str) -> None:
    with pytest.raises(Malformed) as caught:
        check_host({"HTTP_HOST": host, "SERVER_PROTOCOL": "HTTP/1.1"})

    assert caught.value.code == "malformed_host"


def test_only_old_http_may_omit_the_host() -> None:
    check_host({"SERVER_PROTOCOL": "HTTP/1.0"})
    with pytest.raises(Malformed):
        check_host({"SERVER_PROTOCOL": "HTTP/1.1"})
