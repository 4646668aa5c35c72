"""What an upload sends: a file, or a folder as a zip that is made while it is sent. Nothing is held in memory whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from glassbox.errors import LocalFileError

BLOCK = 1 << 20

OnBytes = Callable[[int, int], None]
"""Told while bytes go over the line: how many have, and how many there are (0 where that is not known)."""


class Body(Protocol):
    """Bytes that can be sent, more than once where a request has to be repeated."""

    @property
    def size(self) -> int:
        """How many bytes there are."""
        ...

    def __iter__(self) -> Iterator[bytes]:
        """The bytes, from the first one on."""
        ...


class FileBody:
    """A file as it lies on the disk. Raises `LocalFileError` where it cannot be read."""

    def __init__(self, path: Path) -> None:
        try:
            if not path.is_file():
                raise LocalFileError(f"{path} is no file" if path.exists() else f"there is no file {path}")
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


def told(body: Body, on_bytes: OnBytes | None) -> Iterator[bytes]:
    """The body's bytes, and `on_bytes` is told of each block that has gone."""
    done = 0
    for block in body:
        yield block
        done += len(block)
        if on_bytes:
            on_bytes(done, body.size)
