"""Busy connections: one thread handles their requests, and a long request does not block the others."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api.server.busy_connections import BusyConnections, Step
from tests.support.waiting import eventually


class Conn:
    """A connection, and its client's end."""

    def __init__(self) -> None:
        self.sock, self.client = socket.socketpair()


class Server:
    """Counts requests of one byte each: `c` closes the connection, `l` takes until `end_long` is set."""

    def __init__(self) -> None:
        self.threads: list[int] = []
        self.deferred: list[tuple[Step, Any]] = []
        self.end_long = threading.Event()
        self.has_thread = True
        self.pool = ThreadPoolExecutor(8)
        self.group = BusyConnections(
            self.handle, self.keep, lambda *step: self.deferred.append(step), self.start, lambda: self.has_thread
        )
        self.conns: list[Conn] = []

    def handle(self, conn: Any) -> Step | None:
        """Handle a request."""
        request = conn.sock.recv(1)
        if request == b"l":
            self.end_long.wait(20)
        conn.sock.send(request)
        self.threads.append(threading.get_ident())
        return self.close if request == b"c" else None

    def start(self, function: Callable[[], None]) -> None:
        """Run the function in a thread, if there is one."""
        if self.has_thread:
            self.pool.submit(function)

    def keep(self, conn: Any) -> None:
        """Stand for the step of an idle connection."""

    def close(self, conn: Any) -> None:
        """Stand for the step of a connection that closes."""

    def connect(self) -> Conn:
        """Return a new connection in the group."""
        conn = Conn()
        conn.client.settimeout(20)
        self.conns.append(conn)
        self.group.add(conn)
        return conn


@pytest.fixture
def server() -> Iterator[Server]:
    """A server with a group."""
    server = Server()
    yield server
    server.end_long.set()
    eventually(server.group.is_empty)
    server.pool.shutdown()
    for conn in server.conns:
        conn.sock.close()
        conn.client.close()


def request(conn: Conn, content: bytes = b"x") -> bytes:
    conn.client.send(content)
    return conn.client.recv(1)


def test_one_thread_handles_the_requests_of_all_connections(server: Server) -> None:
    conns = [Conn() for _ in range(8)]
    server.conns += conns
    for conn in conns:
        conn.client.settimeout(20)
        conn.client.send(b"x")

    for conn in conns:
        server.group.add(conn)

    assert [conn.client.recv(1) for conn in conns] == [b"x"] * 8
    assert len(set(server.threads)) == 1


def test_a_long_request_does_not_block_the_other_connections(server: Server) -> None:
    slow = server.connect()
    slow.client.send(b"l")
    quick = Conn()
    server.conns.append(quick)
    quick.client.settimeout(20)
    quick.client.send(b"x")
    server.group.add(quick)

    assert quick.client.recv(1) == b"x"
    assert not server.end_long.is_set()
    server.end_long.set()
    assert slow.client.recv(1) == b"l"
    eventually(lambda: (server.keep, slow) in server.deferred)
    assert len(set(server.threads)) == 2


def test_an_idle_connection_returns_to_the_event_loop(server: Server) -> None:
    conn = server.connect()

    eventually(lambda: server.deferred == [(server.keep, conn)])


def test_a_connection_that_does_not_stay_leaves_the_group_with_its_step(server: Server) -> None:
    conn = server.connect()

    assert request(conn, b"c") == b"c"
    eventually(lambda: server.deferred == [(server.close, conn)])


def test_connections_return_to_the_event_loop_if_no_thread_is_free(server: Server) -> None:
    server.has_thread = False

    conn = server.connect()
    conn.client.send(b"x")

    eventually(lambda: server.deferred == [(server.keep, conn)])
    assert server.threads == []


def test_a_connection_can_be_added_again(server: Server) -> None:
    conn = server.connect()
    eventually(lambda: server.deferred)
    conn.client.send(b"x")

    server.group.add(conn)

    assert conn.client.recv(1) == b"x"
