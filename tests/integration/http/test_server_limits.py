"""The HTTP server without a gateway: hundreds of slow clients, idle connections, and early refusals of large bodies."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.servers.api_server import ApiServer, running_api
from tests.support.waiting import eventually

HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
BODY = b"POST /v1/datasets?name=slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n"
MiB = 1 << 20


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API of one process, with short times, and without Redis."""
    folder = tmp_path_factory.mktemp("limits")
    settings = {"head_timeout": 2, "client_timeout": 2, "max_connections": 400, "linger_seconds": 3}
    with running_api(folder, f"unix://{folder}/no.sock", **settings, linger_bytes=300 * MiB) as api:
        yield api


def connect(api: ApiServer, sent: bytes = b"", *, buffer: int | None = None) -> socket.socket:
    """Connect and send this. buffer: the bytes that the client's system receives for it, by default megabytes."""
    client = socket.socket()
    if buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)  # has an effect before the connection only
    client.settimeout(30)
    client.connect(("127.0.0.1", api.port))
    client.sendall(sent)
    return client


def health_seconds(api: ApiServer) -> float:
    """Return how long a health check on a new connection takes."""
    started = time.monotonic()
    with connect(api, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") as client:
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    return time.monotonic() - started


def dribble(clients: list[socket.socket], api: ApiServer, seconds: float) -> float:
    """Send a byte on each connection twice per second. Return the longest health check meanwhile."""
    longest = 0.0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for client in clients:
            try:
                client.sendall(b"x")
            except OSError:
                continue
        longest = max(longest, health_seconds(api))
        time.sleep(0.5)
    return longest


def status_of(client: socket.socket) -> int:
    response = http.client.HTTPResponse(client)
    response.begin()
    return response.status


@pytest.mark.parametrize("sent", [HEAD, BODY], ids=["head", "body"])
def test_clients_that_dribble_are_disconnected_and_delay_nobody(api: ApiServer, sent: bytes) -> None:
    with ExitStack() as exits:
        clients = [exits.enter_context(connect(api, sent)) for _ in range(300)]

        assert dribble(clients, api, 4.0) < 2.0

        # On a busy machine, some bodies still wait for a place when others have been disconnected.
        assert {status_of(client) for client in clients} - {503} == {408}


def test_an_upload_succeeds_while_slow_ones_hold_all_places(api: ApiServer) -> None:
    with ExitStack() as exits:
        for _ in range(150):
            exits.enter_context(connect(api, BODY))

        response = api.http.post("/v1/datasets?name=fast", content=bytes(20 * MiB))

        assert response.json()["code"] == "dataset_expected", response.text


def test_a_body_that_is_too_slow_is_refused_with_the_setting(api: ApiServer) -> None:
    with connect(api, BODY) as client:
        response = http.client.HTTPResponse(client)
        response.begin()
        problem = json.loads(response.read())

    assert (response.status, problem["code"]) == (408, "body_too_slow")
    assert "GLASSBOX_CLIENT_RATE" in problem["detail"]
    assert response.headers["Connection"] == "close"


def test_idle_connections_do_not_use_up_the_limit(api: ApiServer) -> None:
    with ExitStack() as exits:
        clients = [exits.enter_context(connect(api)) for _ in range(600)]

        assert max(health_seconds(api) for _ in range(5)) < 2.0

        eventually(lambda: sum(is_closed(client) for client in clients) >= 200)


def is_closed(client: socket.socket) -> bool:
    try:
        return client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("size", [100_000, 8 * MiB, 100 * MiB])
@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/datasets?name=x", {"Idempotency-Key": '"'}, 400),
        ("/v1/models/nosuch/versions/1/predict", {"Content-Type": "image/png"}, 404),
        ("/v1/training-jobs", {"Content-Type": "text/plain"}, 415),
        ("/v1/nosuch", {}, 404),
    ],
)
def test_a_client_that_reads_after_sending_gets_the_early_refusal(
    api: ApiServer, path: str, headers: dict[str, str], status: int, size: int
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
    connection.request("POST", path, bytes(size), headers)

    assert connection.getresponse().status == status
    connection.close()


@pytest.mark.parametrize("pause", [0.0, 1.0], ids=["bytes", "time"])
def test_the_rest_of_a_refused_body_is_discarded_within_limits(api: ApiServer, pause: float) -> None:
    with connect(api, b"POST /v1/nosuch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000000\r\n\r\n") as client:
        started = time.monotonic()
        sent = 0
        while time.monotonic() < started + 30:
            try:
                client.sendall(bytes(MiB))
            except (ConnectionResetError, BrokenPipeError):
                break
            sent += MiB
            time.sleep(pause)

    assert sent < 400 * MiB
    assert time.monotonic() - started < 10


def test_a_head_above_the_limits_is_refused(api: ApiServer) -> None:
    for sent, status in [
        (b"GET /" + b"x" * 5000, 414),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000, 431),
    ]:
        with connect(api, sent) as client:
            assert status_of(client) == status


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /v2/" + b"x" * 5000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /v2/models/a HTTP/1.1\r\nX: " + b"y" * 9000 + b"\r\n\r\n", 431),
        (b"GET /v2/models/a HTTP/9.9\r\nHost: a\r\n\r\n", 400),
        (b"GET /v2/models/a HTTP/1.1\r\nHost: a\r\nA B: c\r\n\r\n", 400),
        (b"GET /v2/models/a HTTP/1.1\r\nHost: a\r\nExpect: b\r\n\r\n", 417),
    ],
)
def test_the_server_itself_rejects_a_head_in_the_form_of_v2(api: ApiServer, sent: bytes, status: int) -> None:
    with connect(api, sent) as client:
        response = http.client.HTTPResponse(client)
        response.begin()
        problem = json.load(response)

    assert response.status == problem["status"] == status
    assert problem["error"] == problem["detail"]


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"deflate,chunked", b"compress\r\nTransfer-Encoding: chunked"])
def test_a_body_with_an_unknown_transfer_coding_is_refused(api: ApiServer, coding: bytes) -> None:
    head = b"POST /v1/training-jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: "
    with connect(api, head + coding + b"\r\n\r\n2\r\n{}\r\n0\r\n\r\n") as client:
        assert status_of(client) == 501


@pytest.mark.parametrize("end", [b"", b"\r\n"], ids=["head", "body"])
def test_a_client_that_disconnects_early_leaves_no_connection(api: ApiServer, end: bytes) -> None:
    [process] = api.process_ids()
    before = sockets_of(process)
    for _ in range(20):
        connect(api, b"POST /v1/datasets?name=x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n" + end).close()
    eventually(lambda: sockets_of(process) <= before)


def sockets_of(process: int) -> int:
    files = Path(f"/proc/{process}/fd").iterdir()
    return sum(str(file.readlink()).startswith("socket:") for file in files)


def test_clients_that_read_nothing_delay_nobody_and_are_disconnected(tmp_path: Path) -> None:
    requests = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 6  # more MB than the server's system buffers
    settings = {"api_threads": 8, "client_timeout": 3}
    with running_api(tmp_path, f"unix://{tmp_path}/no.sock", **settings) as api, ExitStack() as exits:
        for _ in range(16):  # twice as many as the threads
            exits.enter_context(connect(api, requests, buffer=4096))
        eventually(lambda: "read the response more slowly than the others" in api.process.log(), within=60)
        assert max(health_seconds(api) for _ in range(5)) < 2.0
        eventually(lambda: "read the response too slowly" in api.process.log(), within=60)
