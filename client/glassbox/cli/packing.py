"""A folder packed by a process of its own, while this one still loads what it needs to send it.

To read ten thousand files takes about as long as to load an HTTP library, and there is more than one core.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NoReturn

from glassbox.errors import LocalFileError
from glassbox.files.folders import FolderBody
from glassbox.http.bodies import BLOCK

HELD_BYTES = 64 << 20  # a folder of no more is packed at once; a larger one as quickly as it is sent


class Packing:
    """A folder that is being packed. `opened` waits for what there is to send."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        receiver, sender = os.pipe()
        self._process = os.fork()
        if not self._process:
            os.close(receiver)
            _pack(folder, sender)
        os.close(sender)
        self._pipe = os.fdopen(receiver, "rb")

    def opened(self) -> PackedBody:
        """The zip. Raises `LocalFileError` where the folder cannot be packed."""
        told = json.loads(self._pipe.readline() or '{"error": "the folder could not be packed"}')
        if "error" in told:
            raise LocalFileError(told["error"])
        return PackedBody(self._folder, told["size"], self._pipe)

    def close(self) -> None:
        """End it, wherever it is."""
        self._pipe.close()
        os.waitpid(self._process, 0)


class PackedBody:
    """The zip as it comes from the process; a request that has to be repeated packs the folder again."""

    def __init__(self, folder: Path, size: int, pipe: IO[bytes]) -> None:
        self.size = size
        self._folder = folder
        self._pipe: IO[bytes] | None = pipe

    def __iter__(self) -> Iterator[bytes]:
        pipe, self._pipe = self._pipe, None
        left = self.size
        for block in self._again() if pipe is None else iter(lambda: pipe.read(BLOCK), b""):
            left -= len(block)
            yield block
        if left:
            raise LocalFileError(f"{self._folder} changed while it was sent; nothing was submitted: try again")

    def _again(self) -> Iterator[bytes]:
        body = FolderBody(self._folder)
        if body.size != self.size:
            raise LocalFileError(f"{self._folder} changed while it was sent; nothing was submitted: try again")
        return iter(body)


def _pack(folder: Path, sender: int) -> NoReturn:
    """What the process does: a line about the zip, then the zip."""
    for interruption in (signal.SIGINT, signal.SIGPIPE):
        signal.signal(interruption, signal.SIG_DFL)  # it goes in silence when its reader goes
    try:
        with os.fdopen(sender, "wb") as pipe:
            try:
                body = FolderBody(folder)
                blocks = [b"".join(body)] if body.size <= HELD_BYTES else body
            except LocalFileError as error:
                pipe.write(json.dumps({"error": str(error)}).encode() + b"\n")
            else:
                pipe.write(json.dumps({"size": body.size}).encode() + b"\n")
                for block in blocks:
                    pipe.write(block)
    finally:
        os._exit(0)
