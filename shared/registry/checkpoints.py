"""A training's checkpoints: each file holds the whole state and begins with its SHA-256; the newest two are kept.

The trainer writes and loads them; the API reads the parameters of the newest one.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

from shared.network.selection.auto_training import TRAINING
from shared.network.training.pixel_order import FIRST, PixelOrder
from shared.registry.stored import OpenFile, StoredArray, arrays_in
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

    def newest(self) -> CheckpointFile | None:
        """Return the newest checkpoint, open; None if there is none."""
        for _ in range(3):  # a training replaces its checkpoints meanwhile
            paths = self._newest_first()
            for path in paths:
                with suppress(FileNotFoundError):
                    return CheckpointFile(OpenFile(path), int(path.stem))
            if not paths:
                break
        return None

    def clear(self) -> None:
        """Remove all checkpoints, after the training is published."""
        durable.remove_tree(self._folder)

    def _path(self, steps: int) -> Path:
        return self._folder / f"{steps:012d}.checkpoint"

    def _newest_first(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.checkpoint"), reverse=True)


class CheckpointFile:
    """One checkpoint, for a reader of its parameters. It stays readable after its deletion."""

    def __init__(self, file: OpenFile, steps: int) -> None:
        self._file = file
        self.steps = steps

    def digest(self) -> str:
        """Return the SHA-256 at its beginning, in hexadecimal, without a check. Raises OSError."""
        return self._file.read(0, DIGEST_BYTES).hex()

    def is_intact(self) -> bool:
        """Return whether its content has the digest; reads the whole file."""
        digest = hashlib.sha256()
        for start in range(DIGEST_BYTES, self._file.size, PART):
            digest.update(self._file.read(start, min(PART, self._file.size - start)))
        return digest.hexdigest() == self.digest()

    def parameters(self) -> CheckpointParameters:
        """Return the parameters without their content. Raises as `numpy.load` does if the file is not a checkpoint."""
        arrays = arrays_in(self._file)
        prefix = TRAINING if f"{TRAINING}pixels" in arrays else ""
        named = f"{prefix}parameters."
        return CheckpointParameters(
            {name.removeprefix(named): array for name, array in arrays.items() if name.startswith(named)},
            PixelOrder(arrays[f"{prefix}pixels"].array()),
            arrays[f"{prefix}history"].shape[0],
        )


@dataclass(frozen=True)
class CheckpointParameters:
    """A checkpoint's parameters, as the training stores them. epochs: that have ended."""

    stored: Mapping[str, StoredArray]
    pixels: PixelOrder
    epochs: int

    def is_reordered(self, name: str) -> bool:
        """Return whether reading this parameter takes memory for it twice."""
        return name == FIRST and not self.pixels.is_natural

    def read(self, name: str) -> StoredArray:
        """Return a parameter as a version has it: the first layer's weights in the order of the images' pixels."""
        if not self.is_reordered(name):
            return self.stored[name]
        return StoredArray.of(self.pixels.from_training({FIRST: self.stored[name].array()})[FIRST])


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
