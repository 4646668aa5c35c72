"""Clients that stop in the middle of a request: fifty of them delay no other client, and each has a timeout."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.support.data.files import files_below
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.stack import Stack, running_stack
from tests.support.waiting import eventually

DATABASE = 3
CLIENTS = 50
HALF_A_HEAD = b"POST /v1/datasets?name=slow HTTP/1.1\r\nHost: localhost\r\nContent-"
HALF_A_BODY = b"POST /v1/datasets?name=slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nPK"


def half(path: str, content_type: str, content: bytes) -> bytes:
    """A request without its last part."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: 1000\r\n\r\n"
    return head.encode() + content


HALF_A_FORM = half(
    "/v1/datasets?name=slow",
    "multipart/form-data; boundary=b",
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nPK',
)
HALF_A_TRAINING = half("/v1/training-jobs", "application/json", b'{"model": "toy"')
HALF_AN_INFERENCE = half("/v2/models/toy/infer", "application/json", b"{")


@pytest.fixture(scope="module")
def short_timeout(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A service that waits two seconds for a client, in place of thirty."""
    folder = tmp_path_factory.mktemp("short-timeout")
    with running_stack(
        folder, redis_server.url(DATABASE), GLASSBOX_CLIENT_TIMEOUT="2", GLASSBOX_HEAD_TIMEOUT="2"
    ) as stack:
        yield stack


@pytest.mark.parametrize("sent", [HALF_A_HEAD, HALF_A_BODY, b""], ids=["head", "body", "nothing"])
def test_fifty_slow_clients_delay_no_other_client(stack: Stack, sent: bytes) -> None:
    with ExitStack() as exits:
        for _ in range(CLIENTS):
            exits.enter_context(slow_client(stack, sent))
        if sent == HALF_A_BODY:  # a process with too many of them disconnects the slowest
            eventually(lambda: len(files_below(stack.volume.incoming)) >= CLIENTS - 10)

        seconds = [seconds_of_a_health_check(stack) for _ in range(10)]

    assert max(seconds) < 2.0
    eventually(lambda: files_below(stack.volume.incoming) == [])


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (HALF_A_HEAD, b"HTTP/1.1 408 "),
        (HALF_A_BODY, b"HTTP/1.1 408 "),
        (HALF_A_FORM, b"HTTP/1.1 408 "),
        (HALF_A_TRAINING, b"HTTP/1.1 408 "),
        (HALF_AN_INFERENCE, b"HTTP/1.1 404 "),
    ],
    ids=["head", "body", "form", "training", "inference"],
)
def test_a_client_that_stops_sending_gets_an_error(short_timeout: Stack, sent: bytes, expected: bytes) -> None:
    with slow_client(short_timeout, sent) as client:
        client.settimeout(10)
        started = time.monotonic()

        received = client.recv(65536)

        assert received.startswith(expected)
        assert b"after 0 of" not in received  # the number of received bytes is unknown
        assert time.monotonic() - started < 3.5  # the server waits for one timeout, not for several
    eventually(lambda: files_below(short_timeout.volume.incoming) == [])


def test_a_client_that_times_out_is_not_an_error_in_the_log(short_timeout: Stack) -> None:
    with slow_client(short_timeout, HALF_A_HEAD) as client:
        assert client.recv(65536)

    log = (short_timeout.volume.root.parent / "api.log").read_text()
    assert "the request's head was not complete after 2 s (GLASSBOX_HEAD_TIMEOUT)" in log
    assert '"level": "error"' not in log


def slow_client(stack: Stack, sent: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", stack.port), timeout=30)
    client.sendall(sent)
    return client


def seconds_of_a_health_check(stack: Stack) -> float:
    started = time.monotonic()
    assert httpx.get(f"{stack.http.base_url}/healthz", timeout=20).status_code == 200
    return time.monotonic() - started
