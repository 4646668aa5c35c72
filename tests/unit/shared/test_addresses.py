"""The URLs and addresses to which webhooks may be sent."""

from __future__ import annotations

import pytest

from shared.addresses import LONGEST_URL, Target, is_address, is_allowed

PUBLIC = [
    *("8.8.8.8", "1.1.1.1", "9.9.9.9", "126.0.0.1", "128.0.0.1", "168.63.129.15", "223.255.255.255", "192.0.1.1"),
    *("2606:4700::1111", "2a00:1450::1", "2001:4860:4860::8888", "2400::1"),
    *("::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::", "::8.8.8.8", "::ffff:0:8.8.8.8"),
    "2001:0:808:808:0:63bf:f7f7:f7f7",  # Teredo: server and client are 8.8.8.8
    "2606:4700::5efe:808:808",  # ISATAP
]
OF_THIS_MACHINE = ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "::127.0.0.1", "::ffff:0:127.0.0.1"]
OF_PRIVATE_NETWORKS = [
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.100.100.201", "198.18.0.1"),
    *("fc00::1", "fd12:3456::1", "fec0::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:a00:1::"),
    *("192.0.2.1", "2001:db8::1", "fd00:ec3::254", "2606:4700::5efe:a00:1", "2606:4700::200:5efe:a00:1"),
    *("64:ff9b:1::808:808", "64:ff9b:1:a00:0:100::", "64:ff9b:1:a:0:1::", "64:ff9b:1:0:a:0:100::"),  # local NAT64
    "2001:0:808:808:8000:63bf:f5ff:fffe",  # Teredo, to 10.0.0.1
    "2001:0:a00:1:8000:63bf:f7f7:f7f7",  # Teredo, by 10.0.0.1
]
NEVER = [
    *("169.254.169.254", "169.254.170.2", "fe80::1", "fe80::1%eth0", "fe80::a9fe:a9fe"),  # link-local
    *("168.63.129.16", "100.100.100.200", "192.0.0.192", "192.80.8.124", "161.26.0.10", "166.9.0.1"),  # of clouds
    *("fd00:ec2::254", "fd00:ec2::253", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42"),
    *("::ffff:169.254.169.254", "::169.254.169.254", "::ffff:0:169.254.169.254", "64:ff9b::a9fe:a9fe"),
    *("::ffff:168.63.129.16", "64:ff9b::a83f:8110", "2002:a83f:8110::1", "::ffff:100.100.100.200"),
    *("2002:a9fe:a9fe::1", "2001:0:808:808:0:63bf:5601:5601", "2606:4700::5efe:a9fe:a9fe"),
    *("64:ff9b:1::a9fe:a9fe", "64:ff9b:1:a9fe:a9:fe00::", "64:ff9b:1:a9:fe:a9fe::", "64:ff9b:1:0:a9:fea9:fe00::"),
    *("0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0", "64:ff9b::"),  # unspecified # noqa: S104
    *("fe80::5efe:808:808", "ff02::5efe:808:808", "fd00:ec2::5efe:808:808", "100::5efe:808:808"),  # also as ISATAP
    *("224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1", "::ffff:224.0.0.1"),  # multicast
    *("255.255.255.255", "240.0.0.1", "192.0.0.8", "192.88.99.1"),  # reserved
    *(
        "100::1",
        "64:ff9b:2::1",
        "4000::1",
        "2001:2::1",
        "2001:20::1",
        "5f00::1",
        "8000::1",
        "200::1",
    ),  # no global unicast
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_allowed(address, allow_private=False)


@pytest.mark.parametrize("address", [*OF_THIS_MACHINE, *OF_PRIVATE_NETWORKS])
def test_internal_addresses_are_allowed_only_with_allow_private(address: str) -> None:
    assert not is_allowed(address, allow_private=False)
    assert is_allowed(address, allow_private=True)


@pytest.mark.parametrize("address", NEVER)
def test_metadata_link_local_multicast_and_reserved_addresses_are_never_allowed(address: str) -> None:
    assert not is_allowed(address, allow_private=False)
    assert not is_allowed(address, allow_private=True)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.org", Target("https", "example.org", 443, "/")),
        ("http://Example.org/a/b?c=d#e", Target("http", "example.org", 80, "/a/b?c=d")),
        ("https://example.org:8443/?q", Target("https", "example.org", 8443, "/?q")),
        ("http://[::1]:8080/hook", Target("http", "::1", 8080, "/hook")),
        ("http://[2606:4700::1111]/", Target("http", "2606:4700::1111", 80, "/")),
        ("http://8.8.8.8:080/", Target("http", "8.8.8.8", 80, "/")),
        ("http://my_service:9000/", Target("http", "my_service", 9000, "/")),
        ("http://xn--bcher-kva.example./", Target("http", "xn--bcher-kva.example.", 80, "/")),
        ("http://0x7f.example/", Target("http", "0x7f.example", 80, "/")),
    ],
)
def test_a_url_is_parsed_into_its_parts(url: str, target: Target) -> None:
    assert Target.parse(url) == target


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.org", "ftp://example.org/", "file:///etc/passwd", "gopher://example.org", "javascript:alert(1)"),
        *("http://", "http:///path", "http://:80/", "http://example.org:99999/", "http://example.org:0/"),
        *("http://example.org:port/", "http://[::1/", "http://user:password@example.org/", "http://user@example.org/"),
        *("http://example.org/a b", "http://example.org/\r\nHost: other", "http://example.org/\x00", "http://ex\\a/"),
        *(
            "http://2130706433/",
            "http://0x7f000001/",
            "http://017700000001/",
            "http://127.1/",
            "http://0/",
            "http://0x/",
        ),
        *(
            "http://127.0.0.1./",
            "http://0251.0376.0251.0376/",
            "http://127.0.0.01/",
            "http://1.2.3.4.5/",
            "http://1.2.3/",
        ),
        *("http://a.0xA9/", "http://999.1.1.1/", "http://256/", "http://%31%32%37.0.0.1/", "http://a%2eb/"),
        *("http://[::1%25lo]/", "http://[fe80::1%eth0]/", "http://[v1.x]/", "http://[1.2.3.4]/", "http://[::1]x/"),
        *(
            "http://[::1].example/",
            "http://a..b/",
            "http://.a/",
            "http://-a/",
            "http://a-/",
            "http://a.b../",
            "http://./",
        ),
        *(f"http://{'a' * 64}.example/", f"http://{'a.' * 130}example/", "http://a!b/", "http://a,b/", "http://a;b/"),
        *("http://exämple.org/", "http://example.org/ü", "https://example.org/" + "a" * LONGEST_URL),
    ],
)
def test_an_invalid_webhook_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Target.parse(url)


def test_addresses_are_distinguished_from_names() -> None:
    assert all(map(is_address, ("127.0.0.1", "::1", "fe80::1%eth0")))
    assert not any(map(is_address, ("localhost", "example.org", "127.1", "1.2.3.4.5")))
