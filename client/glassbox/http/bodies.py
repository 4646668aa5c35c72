"""Bodies of uploads: a file, or a folder as a zip that is packed while it is sent. No body is held whole in memory."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from glassbox.errors import LocalFileError

BLOCK = 1 << 20

OnBytes = Callable[[int, int], None]
"""Callback for progress: the number of bytes sent or received, and the total, 0 if it is unknown."""


class Body(Protocol):
    """Bytes to send. They can be read again if the request is repeated."""

    @property
    def size(self) -> int:
        """The number of bytes."""
        ...

    def __iter__(self) -> Iterator[bytes]:
        """Return the bytes in blocks, from the beginning."""
        ...


class FileBody:
    """The content of the file at `path`. Raises `LocalFileError` if the file cannot be read or is empty."""

    def __init__(self, path: Path) -> None:
        try:
            if not path.is_file():
                raise LocalFileError(f"{path} is not a file" if path.exists() else f"there is no file {path}")
            self.size = path.stat().st_size
            path.open("rb").close()
        except OSError as error:
            raise LocalFileError(f"{path} cannot be read: {error.strerror}") from error
        if not self.size:
            raise LocalFileError(f"{path} is empty")
        self.path = path

    def __iter__(self) -> Iterator[bytes]:
        left = self.size
        try:
            with self.path.open("rb") as file:
                while left and (block := file.read(min(BLOCK, left))):
                    left -= len(block)
                    yield block
        except OSError as error:
            raise LocalFileError(f"{self.path} cannot be read: {error.strerror}") from error
        if left:
            raise LocalFileError(f"{self.path} became shorter while it was sent; nothing was submitted")


class FormBody:
    """A body as the file of a form (multipart/form-data), after parts with texts."""

    def __init__(self, body: Body, part: str, texts: Mapping[str, str]) -> None:
        boundary = uuid.uuid4().hex
        self.content_type = f"multipart/form-data; boundary={boundary}"
        heads = [
            *(f'name="{name}"\r\n\r\n{text}\r\n' for name, text in texts.items()),
            f'name="{part}"; filename="{part}"\r\nContent-Type: application/octet-stream\r\n\r\n',
        ]
        self._start = "".join(f"--{boundary}\r\nContent-Disposition: form-data; {head}" for head in heads).encode()
        self._end = f"\r\n--{boundary}--\r\n".encode()
        self._body = body
        self.size = len(self._start) + body.size + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        yield self._start
        yield from self._body
        yield self._end


def with_progress(body: Body, on_bytes: OnBytes | None) -> Iterator[bytes]:
    """Return the body's blocks; call `on_bytes` after each."""
    done = 0
    for block in body:
        yield block
        done += len(block)
        if on_bytes:
            on_bytes(done, body.size)
