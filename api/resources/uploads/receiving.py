"""The bytes of an upload: from the request's body to the disk, block by block.

What arrived before a connection broke is kept, unless the request has a checksum, which then cannot be verified.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from flask import request
from werkzeug.exceptions import ClientDisconnected

from api.requests.bodies.body import ended_early, interruption
from api.requests.bodies.content_coding import check_coding
from api.resources.uploads.headers import Checksum
from shared.errors import TooLarge, UnsupportedType
from shared.storage.durable import PART
from shared.storage.uploads.writer import UploadWriter

CONTENT_TYPE = "application/offset+octet-stream"
READ = 64 << 10  # bytes that a broken connection may lose, because the server's buffer has them
BLOCK = 1 << 20


@dataclass(frozen=True)
class Room:
    """How many more bytes an upload may have.

    check: called after each part of a body; raises `TooLarge` if other requests have used the room. limit: what limits
    the bytes, as the end of a sentence.
    """

    nbytes: int
    check: Callable[[], None] = lambda: None
    limit: str = "the upload's Upload-Length leaves"


def check_content(room: Room) -> None:
    """Check a body's headers before it is read.

    Raises `UnsupportedType`, or `TooLarge` if it has more bytes.
    """
    if request.mimetype != CONTENT_TYPE:
        raise UnsupportedType("upload_type", f"send the bytes with Content-Type: {CONTENT_TYPE}")
    if check_coding(request.headers.get("Content-Encoding", "")) != "identity":
        raise UnsupportedType("encoding_unknown", "the bytes of an upload must have no Content-Encoding")
    if request.content_length is not None and request.content_length > room.nbytes:
        raise _too_long(room)


def receive(writer: UploadWriter, room: Room, checksum: Checksum) -> None:
    """Append the body to the upload.

    Raises `ChecksumMismatch`, `TooLarge`, or `Malformed` or `TooSlow` if the body ended early.
    """
    if checksum.expected is None:
        _receive(writer, room, checksum)
        return
    with writer.verifying():
        _receive(writer, room, checksum)
        checksum.check()


def _receive(writer: UploadWriter, room: Room, checksum: Checksum) -> None:
    rest = room.nbytes
    begun, total, checked = writer.offset, 0, 0
    pending = bytearray()
    with suppress(ClientDisconnected):
        while total <= rest and (block := request.stream.read(min(READ, rest + 1 - total))):
            total += len(block)
            checksum.update(block)
            pending += block
            if total <= rest and len(pending) >= BLOCK:
                writer.write(pending)
                pending.clear()
                if total - checked >= PART:
                    room.check()
                    checked = total
    if total > rest:  # a body of unknown length
        writer.truncate(begun)
        raise _too_long(room)
    if pending:
        writer.write(pending)
    length = request.content_length
    if interruption(request.environ) or (length is not None and total != length):
        expected = "its end" if length is None else f"the {length} bytes of its Content-Length"
        raise ended_early(f"the body ended after {total} bytes, before {expected}; a HEAD says where to continue")


def _too_long(room: Room) -> TooLarge:
    return TooLarge("upload_too_long", f"the body has more than the {room.nbytes:,} bytes that {room.limit}")
