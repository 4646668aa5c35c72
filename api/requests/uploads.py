"""Uploads: a file as the raw body or as a part of a form, streamed to the volume, whole or gone.

A body cut short is an error here, whatever the server in front made of it: its bytes are counted.
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

from api.requests.body import AnnouncedDigests, is_broken_off
from shared.errors import Invalid, LengthRequired, Malformed, TooLarge
from shared.runtime.settings import Settings
from shared.storage import durable
from shared.storage.volume import Volume


@dataclass(frozen=True)
class Upload:
    """A file that has arrived whole, and the options that came with it: query parameters and a form's other parts."""

    path: Path
    options: Mapping[str, str]


class CountingStream:
    """A request's body that knows how much of it was read, and calls the end of a cut-off body an end."""

    def __init__(self, stream: IO[bytes], digests: AnnouncedDigests) -> None:
        self._stream = stream
        self._digests = digests
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes, or none at the end."""
        try:
            content = self._stream.read(size)
        except ClientDisconnected:
            content = b""
        self.count += len(content)
        self._digests.update(content)
        return content


@contextmanager
def received(part: str, volume: Volume, limits: Settings) -> Iterator[Upload]:
    """Receive the request's file, which is gone after the block unless the block has moved it away.

    part: the name of the file's part where the body is a form. Raises `LengthRequired`, `TooLarge`, `Malformed` where
    the body ends early or is not what its digest says, or `Invalid` for a form without the part.
    """
    length = request.content_length
    if length is None:
        raise LengthRequired("length_required", "say how long the upload is: send Content-Length, not chunks")
    if length > limits.max_body_bytes:
        raise TooLarge("body_too_large", f"a body may have at most {limits.max_body_bytes} bytes")
    path = durable.temporary_beside(volume.incoming / "upload")
    durable.make_folder(path.parent)
    digests = AnnouncedDigests()
    body = CountingStream(request.stream, digests)
    is_form = request.mimetype == "multipart/form-data"
    try:
        with durable.fsynced(path) as file:
            options = _receive_form(body, file, part, length, limits) if is_form else _receive_raw(body, file)
            if body.count != length:
                # Of one that stalled, the server in front has bytes that nobody has counted.
                place = "before" if is_broken_off(request.environ) else f"after {body.count} of"
                raise Malformed("body_cut_short", f"the body ended {place} the {length} bytes that it announced")
            digests.check()
        yield Upload(path, {**request.args.to_dict(), **options})
    finally:
        path.unlink(missing_ok=True)


def _receive_raw(body: CountingStream, file: IO[bytes]) -> Mapping[str, str]:
    while block := body.read(durable.BLOCK):
        file.write(block)
    return {}


def _receive_form(body: CountingStream, file: IO[bytes], part: str, length: int, limits: Settings) -> Mapping[str, str]:
    """Parse the form while it arrives; the file's part goes straight into `file`."""
    opened = 0
    expected = f"send one file, as the part {part!r} of the form"

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
            f"a form may have at most {limits.max_form_parts} parts, and beside its file {limits.max_json_bytes} bytes",
        ) from error
    except ValueError as error:
        while body.read(durable.BLOCK):  # is it no form, or was it cut short?
            pass
        if body.count != length:
            return {}  # the caller tells of the missing bytes
        raise Malformed("malformed_form", f"the form cannot be read: {error}") from error
    if list(files) != [part] or opened != 1:
        raise Invalid("file_expected", expected)
    file.seek(0, os.SEEK_END)  # the parser rewinds each part
    return form.to_dict()
