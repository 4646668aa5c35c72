"""The bytes of an upload: from the request's body to the disk, block by block.

What arrived before a connection broke is kept, unless the request has a checksum, which then cannot be verified.
"""

from __future__ import annotations

from contextlib import suppress

from flask import request
from werkzeug.exceptions import ClientDisconnected

from api.requests.bodies.body import ended_early, interruption
from api.requests.bodies.content_coding import check_coding
from api.resources.uploads.headers import Checksum
from shared.errors import TooLarge, UnsupportedType
from shared.storage.uploads.writer import UploadWriter

CONTENT_TYPE = "application/offset+octet-stream"
READ = 64 << 10  # bytes that a broken connection may lose, because the server's buffer has them
BLOCK = 1 << 20


def check_content(rest: int) -> None:
    """Check a body's headers before it is read. rest: the most bytes it may have.

    Raises `UnsupportedType`, or `TooLarge` if it has more bytes.
    """
    if request.mimetype != CONTENT_TYPE:
        raise UnsupportedType("upload_type", f"send the bytes with Content-Type: {CONTENT_TYPE}")
    if check_coding(request.headers.get("Content-Encoding", "")) != "identity":
        raise UnsupportedType("encoding_unknown", "the bytes of an upload must have no Content-Encoding")
    if request.content_length is not None and request.content_length > rest:
        raise _too_long(rest)


def receive(writer: UploadWriter, rest: int, checksum: Checksum) -> None:
    """Append the body to the upload.

    Raises `ChecksumMismatch`, `TooLarge`, or `Malformed` or `TooSlow` if the body ended early.
    """
    if checksum.expected is None:
        _receive(writer, rest, checksum)
        return
    with writer.verifying():
        _receive(writer, rest, checksum)
        checksum.check()


def _receive(writer: UploadWriter, rest: int, checksum: Checksum) -> None:
    begun, total = writer.offset, 0
    pending = bytearray()
    with suppress(ClientDisconnected):
        while total <= rest and (block := request.stream.read(min(READ, rest + 1 - total))):
            total += len(block)
            checksum.update(block)
            pending += block
            if total <= rest and len(pending) >= BLOCK:
                writer.write(pending)
                pending.clear()
    if total > rest:  # a body of unknown length
        writer.truncate(begun)
        raise _too_long(rest)
    if pending:
        writer.write(pending)
    length = request.content_length
    if interruption(request.environ) or (length is not None and total != length):
        expected = "its end" if length is None else f"the {length} bytes of its Content-Length"
        raise ended_early(f"the body ended after {total} bytes, before {expected}; a HEAD says where to continue")


def _too_long(rest: int) -> TooLarge:
    return TooLarge(
        "upload_too_long", f"the body has more than the {rest:,} bytes that the upload's Upload-Length leaves"
    )
