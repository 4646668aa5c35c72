"""The messages between a process and its decoder process: a JSON object, and bytes that follow it."""

from __future__ import annotations

import socket
import struct
from typing import Literal, NotRequired

from pydantic import TypeAdapter
from typing_extensions import TypedDict

SIZES = struct.Struct("<IQ")  # of the JSON, and of what follows
PART = 1 << 20  # bytes received at a time


class Request(TypedDict):
    """An image, whose bytes follow, and what to do with it.

    shape: of the pixels to return, (H, W) or (H, W, 3); without it the image is examined, with `find_colour` also
    its colours. seconds: the CPU time that this may take.
    """

    max_pixels: int
    seconds: float
    shape: NotRequired[tuple[int, ...]]
    find_colour: NotRequired[bool]


class Response(TypedDict):
    """What became of the image; the bytes of the pixels follow it.

    cpu_seconds: the CPU time of the image. error: the code and the detail of a `Malformed`, or that memory is short.
    size: the height and width.
    """

    cpu_seconds: float
    error: NotRequired[tuple[str, str] | Literal["memory"]]
    size: NotRequired[tuple[int, int]]
    coloured: NotRequired[bool]


REQUESTS, RESPONSES = TypeAdapter(Request), TypeAdapter(Response)


def send(connection: socket.socket, message: bytes, content: bytes = b"") -> None:
    """Send a message, JSON, and the bytes that follow it."""
    connection.sendall(SIZES.pack(len(message), len(content)) + message)
    connection.sendall(content)


def receive(connection: socket.socket) -> tuple[bytes, bytearray]:
    """Return the next message and the bytes that follow it; raises EOFError if the other side has ended."""
    message, content = SIZES.unpack(_exactly(connection, SIZES.size))
    return bytes(_exactly(connection, message)), _exactly(connection, content)


def _exactly(connection: socket.socket, size: int) -> bytearray:
    received = bytearray(size)
    rest = memoryview(received)
    while rest:
        count = connection.recv_into(rest, min(len(rest), PART))
        if not count:
            raise EOFError
        rest = rest[count:]
    return received
