"""Uploads: a file as the raw body or as a form part, streamed to the volume completely or not at all.

A truncated body is an error, independent of the WSGI server, because its bytes are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from flask import request
from werkzeug.exceptions import ClientDisconnected

from api.requests.bodies.body import ExpectedDigests, ended_early, interruption
from api.requests.bodies.content_coding import check_coding, decoded
from api.requests.bodies.forms import FormLimits, options_of, read_form
from shared.archives.index import Source
from shared.errors import Invalid, LengthRequired, Malformed, TooLarge
from shared.json_types import JsonObject
from shared.runtime.settings import Settings
from shared.storage import durable
from shared.storage.uploads import space
from shared.storage.volume import Volume


@dataclass(frozen=True)
class Upload:
    """A completely received file and its options, from the query parameters and the form's other parts.

    source: the file or folder of this server's disk to which `path` is a link, if the request named one; or the object
    or prefix of a store, without a file at `path`. url: its URL.
    upload_id: the id of the resumable upload that the request named. parts: several archives, of which each has a
    `name`; `path` is then the folder that holds them.
    """

    path: Path
    options: Mapping[str, str]
    source: Source | None = None
    url: str | None = None
    upload_id: str | None = None
    name: str | None = None
    parts: tuple[Upload, ...] = ()

    def described(self) -> JsonObject:
        """Return the sources or resumable uploads as a field of the job's request, if the request named any."""
        if self.parts:
            return {"archives": [{"name": part.name, **part.described()} for part in self.parts]}
        if self.upload_id is not None:
            return {"upload": self.upload_id}
        return {} if self.url is None else {"source": {"url": self.url}}

    def check(self) -> None:
        """Raise `Conflict` if the source has changed since the request named it."""
        if self.source is not None:
            self.source.check()


class CountingStream:
    """A request's body that counts the bytes read. A disconnect ends it without an error."""

    def __init__(self, stream: IO[bytes], digests: ExpectedDigests) -> None:
        self._stream = stream
        self._digests = digests
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, empty at the end."""
        try:
            content = self._stream.read(size)
        except ClientDisconnected:
            content = b""
        self.count += len(content)
        self._digests.update(content)
        return content


@contextmanager
def received(part: str, volume: Volume, limits: Settings) -> Iterator[Upload]:
    """Receive the request's file. It is deleted after the block, unless the block has moved it.

    part: the name of the file's part if the body is a form. A body with a Content-Encoding is decompressed. Raises
    `LengthRequired`, `TooLarge`, `UnsupportedType` for an unknown coding, `Malformed` if the body is truncated or
    damaged or does not match its digest, `StorageFull` before the first byte, or `Invalid` for a form without the part.
    """
    coding = check_coding(request.headers.get("Content-Encoding", ""))
    length = request.content_length
    if length is None:
        raise LengthRequired("length_required", "send the upload with Content-Length, not with chunked encoding")
    if length > limits.max_body_bytes:
        raise TooLarge(
            "body_too_large",
            f"a body may have at most {limits.max_body_bytes} bytes (GLASSBOX_MAX_BODY_BYTES); got {length}",
        )
    space.check(volume.root, length)
    path = durable.temporary_beside(volume.incoming / "upload")
    durable.make_folder(path.parent)
    digests = ExpectedDigests()
    body = CountingStream(request.stream, digests)
    content = _limited(decoded(body, coding), limits.max_body_bytes)
    texts: Mapping[str, str] = {}
    try:
        with durable.fsynced(path) as file:
            try:
                if request.mimetype == "multipart/form-data":
                    texts = _receive_form(content, file, part, limits)
                else:
                    file.writelines(content)
            except Malformed:
                while body.read(durable.BLOCK):  # read the rest: a truncated body is not a damaged one
                    pass
                if body.count == length:
                    raise
            if body.count != length:
                # If the client stalled, gunicorn's buffer holds bytes that `count` does not include.
                place = "before" if interruption(request.environ) else f"after {body.count} of"
                raise ended_early(f"the body ended {place} the {length} bytes of its Content-Length")
            digests.check()
        yield Upload(path, options_of(texts))
    finally:
        path.unlink(missing_ok=True)


def _limited(blocks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """Yield the blocks. Raises `TooLarge` if they have more than `limit` bytes, as compressed bodies may have."""
    total = 0
    for block in blocks:
        total += len(block)
        if total > limit:
            raise TooLarge(
                "body_too_large", f"a body may have at most {limit} bytes after decompression (GLASSBOX_MAX_BODY_BYTES)"
            )
        yield block


def _receive_form(blocks: Iterable[bytes], file: IO[bytes], part: str, limits: Settings) -> Mapping[str, str]:
    """Parse the form as a stream, write the file's part to `file`, and return the other parts."""
    opened = 0

    def open_part() -> IO[bytes]:
        nonlocal opened
        opened += 1
        if opened > 1:
            raise Invalid("file_expected", expected)
        return file

    expected = f"the form must have one file, in the part {part!r}"
    texts = read_form(
        blocks, part, open_part, FormLimits(limits.limit("max_form_parts"), limits.limit("max_json_bytes"))
    )
    if opened != 1:
        raise Invalid("file_expected", expected)
    return texts
