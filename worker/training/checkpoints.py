"""A training's checkpoints: each file holds the whole state and begins with its SHA-256; the newest two are kept."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

from shared.storage import durable

log = logging.getLogger(__name__)

State = dict[str, NDArray[Any]]
KEPT = 2
DIGEST_BYTES = 32
PART = 2**24  # bytes that are hashed between two checks


class Checkpoints:
    """The checkpoints of one job, in their own folder, named by the number of mini-batches done."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, state: State, steps: int, check: Callable[[], None] = lambda: None) -> None:
        """Write a checkpoint, durably, then remove all but the newest two. `check` is called while it is written."""
        with durable.replacing(self._path(steps), check) as file:
            file.write(bytes(DIGEST_BYTES))  # the digest's place
            payload = _HashedStream(file)
            np.savez(cast("IO[bytes]", payload), allow_pickle=False, **state)
            file.seek(0)
            file.write(payload.digest())
        for old in self._newest_first()[KEPT:]:
            old.unlink(missing_ok=True)

    def load(self, check: Callable[[], None] = lambda: None) -> tuple[State | None, list[str]]:
        """Return the newest intact checkpoint, or None; and the names of the damaged ones that were skipped.

        check: called after each part of a checkpoint whose digest is computed.
        """
        damaged: list[str] = []
        for path in self._newest_first():
            with path.open("rb") as file:
                digest = file.read(DIGEST_BYTES)
                if _digest_of(file, check) == digest:
                    file.seek(DIGEST_BYTES)
                    with np.load(file, allow_pickle=False) as arrays:  # a zip may follow other bytes
                        return dict(arrays), damaged
            log.warning("the checkpoint %s is damaged; skipped", path)
            damaged.append(path.name)
        return None, damaged

    def clear(self) -> None:
        """Remove all checkpoints, after the training is published."""
        durable.remove_tree(self._folder)

    def _path(self, steps: int) -> Path:
        return self._folder / f"{steps:012d}.checkpoint"

    def _newest_first(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.checkpoint"), reverse=True)


def _digest_of(file: IO[bytes], check: Callable[[], None]) -> bytes:
    """Return the SHA-256 of the rest of a file; `check` is called after each part."""
    digest = hashlib.sha256()
    while part := file.read(PART):
        digest.update(part)
        check()
    return digest.digest()


class _HashedStream(io.RawIOBase):
    """A stream to a file that computes the SHA-256 of what it writes; it cannot seek, so that each byte passes once."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self._hash = hashlib.sha256()

    def writable(self) -> bool:
        """Return that `write` works."""
        return True

    def write(self, content: Buffer, /) -> int:
        """Write the bytes to the file."""
        self._hash.update(content)
        return self._file.write(content)

    def digest(self) -> bytes:
        """Return the SHA-256 of all bytes so far."""
        return self._hash.digest()
