"""Packing of a folder in a separate process, while this process imports the HTTP library.

Reading ten thousand files takes about as long as that import, and they run on separate cores.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, NoReturn

from glassbox.errors import LocalFileError
from glassbox.files.folders import FolderBody
from glassbox.http.bodies import BLOCK
from glassbox.records.skipped import SkippedFiles

HELD_BYTES = 64 << 20  # a folder up to this size is packed in memory; a larger one while it is sent


class Packing:
    """A process that packs a folder; `opened` waits for its first line."""

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
        """Return the zip. Raises `LocalFileError` if the folder cannot be packed."""
        head = json.loads(self._pipe.readline() or '{"error": "the folder could not be packed"}')
        if "error" in head:
            raise LocalFileError(head["error"])
        skipped = {code: SkippedFiles(files["count"], tuple(files["names"])) for code, files in head["skipped"].items()}
        return PackedBody(self._folder, head["size"], skipped, self._pipe)

    def close(self) -> None:
        """End the process: its next write fails."""
        self._pipe.close()
        os.waitpid(self._process, 0)


class PackedBody:
    """The zip that the process writes; a repeated request packs the folder again. skipped: as in `FolderBody`."""

    def __init__(self, folder: Path, size: int, skipped: dict[str, SkippedFiles], pipe: IO[bytes]) -> None:
        self.size = size
        self.skipped = skipped
        self._folder = folder
        self._pipe: IO[bytes] | None = pipe

    def __iter__(self) -> Iterator[bytes]:
        pipe, self._pipe = self._pipe, None
        left = self.size
        for block in self._packed_again() if pipe is None else iter(lambda: pipe.read(BLOCK), b""):
            left -= len(block)
            yield block
        if left:
            raise LocalFileError(f"{self._folder} changed while it was sent; nothing was submitted: try again")

    def _packed_again(self) -> Iterator[bytes]:
        body = FolderBody(self._folder)
        if body.size != self.size:
            raise LocalFileError(f"{self._folder} changed while it was sent; nothing was submitted: try again")
        return iter(body)


def _pack(folder: Path, sender: int) -> NoReturn:
    """Write a line of JSON with the zip's size or an error, then the zip; then exit."""
    for number in (signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)  # end without a message if the reader closes the pipe
    try:
        with os.fdopen(sender, "wb") as pipe:
            try:
                body = FolderBody(folder)
                blocks = [b"".join(body)] if body.size <= HELD_BYTES else body
            except LocalFileError as error:
                pipe.write(json.dumps({"error": str(error)}).encode() + b"\n")
            else:
                skipped = {code: asdict(files) for code, files in body.skipped.items()}
                pipe.write(json.dumps({"size": body.size, "skipped": skipped}).encode() + b"\n")
                for block in blocks:
                    pipe.write(block)
    finally:
        os._exit(0)
