"""A client's socket: limits on how long a thread waits for it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from api.server.client_socket import ClientLimits, ClientSocket, SlowClient, WaitingClients
from tests.support.waiting import eventually

LIMITS = ClientLimits(timeout=0.3, rate=1000)
BYTES = bytes(16 << 20)  # more than the socket's buffers take


class Ends:
    """Pairs of connected sockets: the server's end with limits, and the client's end."""

    def __init__(self, limits: ClientLimits, waiting: int = 10) -> None:
        self.waiting = WaitingClients(waiting)
        self._limits = limits
        self._opened: list[socket.socket] = []

    def pair(self) -> tuple[ClientSocket, socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            server = ClientSocket(listener.accept()[0], self._limits, self.waiting)
        self._opened += [client, server]
        return server, client

    def close(self) -> None:
        for end in self._opened:
            end.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Sockets whose clients may stall for 0.3 s."""
    ends = Ends(LIMITS)
    yield ends
    ends.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that wait for clients."""
    with ThreadPoolExecutor(8) as threads:
        yield threads


def dribble(client: socket.socket, until: Future[int]) -> None:
    """Send a byte every 20 ms until this ends."""
    while not until.done():
        try:
            client.sendall(b"x")
        except OSError:
            return
        time.sleep(0.02)


def receive(server: ClientSocket, count: int) -> int:
    received = 0
    while received < count:
        received += len(server.recv(65536)) or count
    return received


def test_bytes_that_are_there_are_received_at_once(ends: Ends) -> None:
    server, client = ends.pair()
    client.sendall(b"text")
    assert server.recv(100) == b"text"
    client.close()
    assert server.recv(100) == b""


def test_client_that_sends_nothing_is_slow(ends: Ends) -> None:
    server, _ = ends.pair()
    started = time.monotonic()
    with pytest.raises(SlowClient, match="GLASSBOX_CLIENT_TIMEOUT"):
        server.recv(100)
    assert 0.2 < time.monotonic() - started < 3


def test_client_that_sends_a_byte_now_and_then_is_slow(ends: Ends, pool: ThreadPoolExecutor) -> None:
    server, client = ends.pair()
    receiving = pool.submit(receive, server, 1000)
    dribble(client, receiving)
    with pytest.raises(SlowClient, match="GLASSBOX_CLIENT_RATE"):
        receiving.result()


def test_client_above_the_least_rate_is_not_slow(ends: Ends, pool: ThreadPoolExecutor) -> None:
    server, client = ends.pair()
    receiving = pool.submit(receive, server, 5000)
    for _ in range(10):  # 1 s in all, longer than the time for a stall
        time.sleep(0.1)
        client.sendall(bytes(500))
    assert receiving.result(timeout=20) == 5000


def test_client_that_stalls_after_a_fast_start_is_slow(ends: Ends) -> None:
    server, client = ends.pair()
    client.sendall(bytes(60_000))  # a minute's bytes at the least rate
    assert receive(server, 60_000) == 60_000
    started = time.monotonic()
    with pytest.raises(SlowClient):
        server.recv(100)
    assert time.monotonic() - started < 3


def test_next_request_of_a_connection_begins_without_debt(ends: Ends) -> None:
    server, client = ends.pair()
    with pytest.raises(SlowClient):
        server.recv(100)
    server.begin_request()
    threading.Timer(0.1, client.sendall, [b"x"]).start()
    assert server.recv(100) == b"x"


def sends_all(server: ClientSocket, _folder: Path) -> None:
    server.sendall(BYTES)


def sends_file(server: ClientSocket, folder: Path) -> None:
    path = folder / "file"
    path.write_bytes(BYTES)
    with path.open("rb") as file:
        assert server.sendfile(file, 0, len(BYTES)) == len(BYTES)


@pytest.mark.parametrize("send", [sends_all, sends_file])
class TestSending:
    def test_whole_response_is_sent(
        self, ends: Ends, pool: ThreadPoolExecutor, send: Callable[[ClientSocket, Path], None], tmp_path: Path
    ) -> None:
        server, client = ends.pair()
        sending = pool.submit(send, server, tmp_path)
        received = 0
        while received < len(BYTES):
            received += len(client.recv(1 << 20))
        sending.result(timeout=20)
        assert received == len(BYTES)

    def test_client_that_reads_nothing_is_slow(
        self, ends: Ends, send: Callable[[ClientSocket, Path], None], tmp_path: Path
    ) -> None:
        server, _ = ends.pair()
        with pytest.raises(SlowClient, match="read the response too slowly"):
            send(server, tmp_path)
        assert server.failed_to_read


def test_slowest_of_too_many_clients_is_disconnected(pool: ThreadPoolExecutor) -> None:
    ends = Ends(ClientLimits(timeout=60, rate=1000), waiting=2)
    pairs = [ends.pair() for _ in range(3)]
    stalled = pool.submit(pairs[0][0].recv, 10)
    eventually(lambda: len(ends.waiting._clients) == 1)
    eventually(lambda: pairs[0][0].debt() > 0.2)
    others = [pool.submit(server.recv, 10) for server, _ in pairs[1:]]

    with pytest.raises(SlowClient, match="more slowly than the others"):
        stalled.result(timeout=20)
    for _, client in pairs[1:]:
        client.sendall(b"x")
    assert [other.result(timeout=20) for other in others] == [b"x", b"x"]
    ends.close()


def test_only_clients_that_stall_are_interrupted(pool: ThreadPoolExecutor) -> None:
    ends = Ends(ClientLimits(timeout=60, rate=1000))
    server, client = ends.pair()
    waiting = pool.submit(server.recv, 10)
    eventually(lambda: len(ends.waiting._clients) == 1)
    ends.waiting.interrupt(5, stall_seconds=30)
    client.sendall(b"x")
    assert waiting.result(timeout=20) == b"x"
    ends.close()


def test_thread_releases_its_turn_before_it_waits(ends: Ends) -> None:
    server, _ = ends.pair()
    waits: list[bool] = []
    server.on_wait = lambda: waits.append(True)
    with pytest.raises(SlowClient):
        server.recv(10)
    assert waits == [True]


def test_limit_of_one_wait_is_not_a_slow_client(ends: Ends) -> None:
    server, _ = ends.pair()
    server.settimeout(0.05)
    with pytest.raises(TimeoutError) as raised:
        server.recv(10)
    assert not isinstance(raised.value, SlowClient)


@pytest.mark.parametrize("sent", [b"", b"text"])
def test_interrupted_body_ends_with_the_reason_also_if_bytes_arrived(
    sent: bytes, ends: Ends, pool: ThreadPoolExecutor
) -> None:
    server, client = ends.pair()
    client.sendall(sent)
    if sent:
        receive(server, len(sent))
    waiting = pool.submit(server.recv, 10)
    server.interrupt_body("others wait")

    with pytest.raises(SlowClient, match="sent the request's body more slowly than the others, and others wait"):
        waiting.result(timeout=20)
    server.sendall(b"the response")
    assert client.recv(100) == b"the response"
