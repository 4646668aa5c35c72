"""A training's checkpoints: each file holds the whole state and begins with its SHA-256; the newest two are kept."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.storage import durable

log = logging.getLogger(__name__)

State = dict[str, NDArray[Any]]
KEPT = 2
DIGEST_BYTES = 32


class Checkpoints:
    """The checkpoints of one job, in their own folder, named by the number of mini-batches done."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, state: State, steps: int, check: Callable[[], None] = lambda: None) -> None:
        """Write a checkpoint, durably, then remove all but the newest two. `check` is called while it is written."""
        content = io.BytesIO()
        np.savez(content, allow_pickle=False, **state)
        payload = content.getvalue()
        with durable.replacing(self._path(steps), check) as file:
            file.write(hashlib.sha256(payload).digest())
            file.write(payload)
        for old in self._newest_first()[KEPT:]:
            old.unlink(missing_ok=True)

    def load(self, check: Callable[[], None] = lambda: None) -> tuple[State | None, list[str]]:
        """Return the newest intact checkpoint, or None; and the names of the damaged ones that were skipped.

        check: called after a checkpoint is read, and after its digest is computed.
        """
        damaged: list[str] = []
        for path in self._newest_first():
            content = memoryview(path.read_bytes())
            check()
            digest, payload = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
            intact = hashlib.sha256(payload).digest() == digest
            check()
            if intact:
                with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
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
