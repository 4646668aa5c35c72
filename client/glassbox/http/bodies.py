"""Bodies of uploads: a file, or a folder as a zip that is packed while it is sent. No body is held whole in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    """The content of a file. Raises `LocalFileError` if the file cannot be read or is empty."""

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
        self._path = path

    def __iter__(self) -> Iterator[bytes]:
        left = self.size
        try:
            with self._path.open("rb") as file:
                while left and (block := file.read(min(BLOCK, left))):
                    left -= len(block)
                    yield block
        except OSError as error:
            raise LocalFileError(f"{self._path} cannot be read: {error.strerror}") from error
        if left:
            raise LocalFileError(f"{self._path} became shorter while it was sent; nothing was submitted")


def with_progress(body: Body, on_bytes: OnBytes | None) -> Iterator[bytes]:
    """Return the body's blocks; call `on_bytes` after each."""
    done = 0
    for block in body:
        yield block
        done += len(block)
        if on_bytes:
            on_bytes(done, body.size)
