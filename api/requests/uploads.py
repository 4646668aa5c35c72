"""Uploads: a file as the raw body or as a form part, streamed to the volume completely or not at all.

A truncated body is an error, independent of the WSGI server, because its bytes are counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from flask import request
from werkzeug.exceptions import ClientDisconnected, HTTPException
from werkzeug.formparser import FormDataParser

from api.requests.body import ExpectedDigests, ended_early, interruption
from shared.errors import Invalid, LengthRequired, Malformed, TooLarge
from shared.runtime.settings import Settings
from shared.storage import durable
from shared.storage.volume import Volume


@dataclass(frozen=True)
class Upload:
    """A completely received file and its options, from the query parameters and the form's other parts."""

    path: Path
    options: Mapping[str, str]


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

    part: the name of the file's part if the body is a form. Raises `LengthRequired`, `TooLarge`, `Malformed` if the
    body is truncated or does not match its digest, or `Invalid` for a form without the part.
    """
    length = request.content_length
    if length is None:
        raise LengthRequired("length_required", "send the upload with Content-Length, not with chunked encoding")
    if length > limits.max_body_bytes:
        raise TooLarge("body_too_large", f"a body may have at most {limits.max_body_bytes} bytes; got {length}")
    path = durable.temporary_beside(volume.incoming / "upload")
    durable.make_folder(path.parent)
    digests = ExpectedDigests()
    body = CountingStream(request.stream, digests)
    is_form = request.mimetype == "multipart/form-data"
    try:
        with durable.fsynced(path) as file:
            options = _receive_form(body, file, part, length, limits) if is_form else _receive_raw(body, file)
            if body.count != length:
                # If the client stalled, gunicorn's buffer holds bytes that `count` does not include.
                place = "before" if interruption(request.environ) else f"after {body.count} of"
                raise ended_early(f"the body ended {place} the {length} bytes of its Content-Length")
            digests.check()
        yield Upload(path, {**request.args.to_dict(), **options})
    finally:
        path.unlink(missing_ok=True)


def _receive_raw(body: CountingStream, file: IO[bytes]) -> Mapping[str, str]:
    while block := body.read(durable.BLOCK):
        file.write(block)
    return {}


def _receive_form(body: CountingStream, file: IO[bytes], part: str, length: int, limits: Settings) -> Mapping[str, str]:
    """Parse the form as a stream, write the file's part to `file`, and return the other parts."""
    opened = 0
    expected = f"the form must have one file, in the part {part!r}"

    def open_part(*_: Any, **__: Any) -> IO[bytes]:
        nonlocal opened
        opened += 1
        if opened > 1:
            raise Invalid("file_expected", expected)
        return file

    parser = FormDataParser(
        stream_factory=open_part,
        max_form_memory_size=limits.max_json_bytes,
        max_form_parts=limits.max_form_parts,
        silent=False,
    )
    try:
        _, form, files = parser.parse(cast("IO[bytes]", body), request.mimetype, length, request.mimetype_params)
    except HTTPException as error:
        raise TooLarge(
            "form_too_large",
            f"a form may have at most {limits.max_form_parts} parts,"
            f" and {limits.max_json_bytes} bytes besides its file",
        ) from error
    except ValueError as error:
        while body.read(durable.BLOCK):  # read the rest, to distinguish a truncated form from an invalid one
            pass
        if body.count != length:
            return {}  # the caller reports the missing bytes
        raise Malformed("malformed_form", f"the form cannot be parsed: {error}") from error
    if list(files) != [part] or opened != 1:
        raise Invalid("file_expected", expected)
    file.seek(0, os.SEEK_END)  # the parser rewinds each part
    return form.to_dict()
