"""One POST to a webhook."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from shared.addresses import Target
from tests.support.network import closed_port
from tests.support.servers.receiver import receiving, redirect_to
from worker.webhooks.delivery import Refused, Unreachable, post

Resolver = Callable[..., list[tuple[object, ...]]]


def send(url: str, *, seconds: float = 10.0, allow_private: bool = True) -> int:
    return post(Target.parse(url), {"X-Own": "1"}, b'{"a": 1}', seconds, allow_private=allow_private).status


@pytest.fixture
def resolve_to(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Let names resolve to these addresses, one list for each call; return the list of resolved names."""

    def let(*answers: list[str]) -> list[str]:
        resolved: list[str] = []
        resolve = socket.getaddrinfo

        def fake_getaddrinfo(host: str, port: int, *rest: object, **options: object) -> object:
            if host[0].isdigit():  # create_connection resolves addresses, too
                return resolve(host, port, *rest, **options)  # type: ignore[arg-type]
            resolved.append(host)
            addresses = answers[min(len(resolved), len(answers)) - 1]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", fake_getaddrinfo)
        return resolved

    return let


class TestSending:
    def test_the_message_arrives_unchanged(self) -> None:
        with receiving() as receiver:
            assert send(receiver.url) == 204

        (message,) = receiver.messages
        assert (message.path, message.body) == ("/hook?for=us", b'{"a": 1}')
        assert message.headers["x-own"] == "1"
        assert message.headers["host"] == f"127.0.0.1:{receiver.port}"

    @pytest.mark.parametrize("status", [200, 299, 400, 410, 500, 503])
    def test_the_status_of_the_response_is_returned(self, status: int) -> None:
        with receiving(status) as receiver:
            assert send(receiver.url) == status

    def test_a_redirect_is_not_followed(self) -> None:
        with receiving() as elsewhere, receiving(redirect_to(elsewhere.url)) as receiver:
            assert send(receiver.url) == 307

        assert elsewhere.messages == []

    def test_no_proxy_is_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")

        with receiving() as receiver:
            assert send(receiver.url) == 204


class TestAddresses:
    @pytest.mark.parametrize(
        "url",
        [
            *("http://127.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest", "http://[::ffff:127.0.0.1]/"),
            *("http://168.63.129.16/", "http://[64:ff9b::a9fe:a9fe]/", "http://[fd00:ec2::254]/", "http://0.0.0.0/"),
        ],
    )
    def test_an_internal_address_is_refused(self, url: str) -> None:
        with pytest.raises(Refused):
            send(url, allow_private=False)

    @pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f.0.0.1", "0"])
    def test_an_internal_address_is_not_reached_however_it_is_written(self, host: str) -> None:
        with pytest.raises(Unreachable, match="cannot be resolved to an address to which webhooks are sent"):
            post(Target("http", host, 80, "/"), {}, b"", 10.0, allow_private=False)

    @pytest.mark.parametrize(
        "addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["169.254.169.254"], ["100.100.100.200"], []]
    )
    def test_the_error_for_an_internal_name_is_that_for_an_unknown_one(
        self, addresses: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def resolve(_host: str, port: int, **_: object) -> object:
            if not addresses:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        with caplog.at_level("INFO"), pytest.raises(Unreachable) as error:
            send("http://db.internal/", allow_private=False)

        assert str(error.value) == "the name db.internal cannot be resolved to an address to which webhooks are sent"
        assert all(address in caplog.text for address in addresses)  # the operator finds the reason in the log

    def test_the_connection_goes_to_the_validated_address(self, resolve_to: Callable[..., list[str]]) -> None:
        with receiving() as receiver:
            resolved = resolve_to(["127.0.0.1"], ["127.9.9.9"])  # another address at the second call

            assert send(f"http://rebinding.example:{receiver.port}/") == 204

        assert resolved == ["rebinding.example"]
        assert receiver.messages[0].headers["host"] == f"rebinding.example:{receiver.port}"

    def test_the_next_address_is_tried_if_the_first_does_not_respond(
        self, resolve_to: Callable[..., list[str]]
    ) -> None:
        with receiving() as receiver:
            resolve_to(["127.0.0.2", "127.0.0.1"])

            assert send(f"http://two.example:{receiver.port}/") == 204


class TestWithoutAResponse:
    def test_a_refused_connection_is_unreachable(self) -> None:
        with pytest.raises(Unreachable):
            send(f"http://127.0.0.1:{closed_port()}/")

    def test_an_unknown_name_is_unreachable(self) -> None:
        with pytest.raises(Unreachable, match="resolved"):
            send("http://no-such-name.invalid/")

    def test_a_response_that_is_not_http_is_unreachable(self) -> None:
        def garbage(handler: BaseHTTPRequestHandler) -> None:
            handler.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n")

        with receiving(garbage) as receiver, pytest.raises(Unreachable):
            send(receiver.url)

    def test_a_receiver_without_tls_is_unreachable(self) -> None:
        with receiving() as receiver, pytest.raises(Unreachable):
            send(receiver.url.replace("http:", "https:"))

    @pytest.mark.parametrize(
        "pieces",
        [
            [],
            [b"HTTP/1.1 200 OK\r\n", *[b"X-Drip: 1\r\n"] * 90],
            [bytes([octet]) for octet in b"HTTP/1.1 200 OK\r\n\r\n"],
            [b"HTTP/1.1 102 Processing\r\n\r\n"] * 90,
        ],
    )
    def test_an_endless_response_ends_at_the_time_limit(
        self, pieces: list[bytes], dripping: Callable[..., str]
    ) -> None:
        begun = time.monotonic()

        with pytest.raises(Unreachable, match=r"within 0\.3 s"):
            send(dripping(pieces), seconds=0.3)

        assert time.monotonic() - begun < 5.0

    def test_an_endless_handshake_ends_at_the_time_limit(self, dripping: Callable[..., str]) -> None:
        with pytest.raises(Unreachable, match=r"within 0\.3 s"):
            send(dripping([]).replace("http:", "https:"), seconds=0.3)


@pytest.fixture
def dripping() -> Iterator[Callable[[list[bytes]], str]]:
    """A receiver that sends these pieces, one every tenth of a second, and then nothing; returns its URL."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        pieces: list[bytes] = []

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                for piece in pieces:
                    if stop.wait(0.1):
                        return
                    try:
                        connection.sendall(piece)
                    except OSError:
                        return
                stop.wait()

        thread = threading.Thread(target=serve)

        def begin(wanted: list[bytes]) -> str:
            pieces.extend(wanted)
            thread.start()
            return f"http://127.0.0.1:{server.getsockname()[1]}/"

        yield begin
        stop.set()
        thread.join()
