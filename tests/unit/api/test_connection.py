"""The look at a client's socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from api.connection import Connection

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A connection's two ends: the client's, the server's."""
    client, server = socket.socketpair()
    with client, server:
        yield client, server


def test_a_client_who_stays_is_there_and_what_it_sends_stays_unread(ends: Ends) -> None:
    client, server = ends
    connection = Connection({"gunicorn.socket": server})

    assert connection.is_open()
    client.sendall(b"more")
    assert connection.is_open()
    assert server.recv(10) == b"more"


def test_a_client_who_has_closed_is_gone(ends: Ends) -> None:
    client, server = ends
    client.close()

    assert not Connection({"gunicorn.socket": server}).is_open()


def test_a_client_takes_bytes_until_its_buffer_is_full(ends: Ends) -> None:
    client, server = ends
    connection = Connection({"gunicorn.socket": server})
    server.setblocking(False)

    assert connection.takes_bytes(within=0.0)
    with suppress(BlockingIOError):
        while server.send(bytes(65536)):
            pass
    assert not connection.takes_bytes(within=0.01)
    with suppress(BlockingIOError):
        while client.recv(65536, socket.MSG_DONTWAIT):
            pass
    assert connection.takes_bytes(within=0.0)


def test_where_the_server_shows_no_socket_the_client_stays() -> None:
    connection = Connection({})

    assert connection.is_open()
    assert connection.takes_bytes(within=0.0)
