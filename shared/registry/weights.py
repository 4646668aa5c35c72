"""The versions' weights: read after a check of their digest, and looked at cheaply where a list tells of damage."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import Damaged
from shared.registry.manifest import ModelVersion
from shared.storage import durable
from shared.storage.volume import Volume


def write_parameters(file: IO[bytes], parameters: Mapping[str, NDArray[Any]]) -> None:
    """Write a `weights.npz`: the same parameters make the same bytes, for no time of writing is in them."""
    np.savez(file, allow_pickle=False, **parameters)


def digest_of(parameters: Mapping[str, NDArray[Any]]) -> str:
    """The SHA-256 of the `weights.npz` that these parameters make."""
    file = io.BytesIO()
    write_parameters(file, parameters)
    return hashlib.sha256(file.getbuffer()).hexdigest()


class WeightFiles:
    """The `weights.npz` of each version."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._digests: dict[Path, tuple[tuple[int, int], str]] = {}  # by path: size and time of change, SHA-256

    def path(self, version: ModelVersion) -> Path:
        """Where the version's file is, whole or not."""
        return self._volume.version(version.model, version.version) / "weights.npz"

    def checked_path(self, version: ModelVersion, *, anew: bool = True) -> Path:
        """Where the version's file is, after a check of its digest; raises `Damaged` where it is wrong or gone.

        Reads the file for that, unless `anew` is false and it has not changed since it was read last.
        """
        path = self.path(version)
        if self._digest(path, anew=anew) != version.weights.sha256:
            raise Damaged(
                "version_damaged",
                f"the weights of {version.model}@{version.version} are not what was published; use another version",
            )
        return path

    def is_damaged(self, version: ModelVersion) -> bool:
        """Whether the version's file is not what was published, as far as that is cheap to say.

        Reads a file once, and again when its size or its time of change is another. What `load` finds counts, too: it
        reads the file each time, and so meets bits that changed by themselves.
        """
        return self._digest(self.path(version), anew=False) != version.weights.sha256

    def load(self, version: ModelVersion) -> dict[str, NDArray[Any]]:
        """The version's parameters by name; raises `Damaged` where the file is not what was published."""
        with np.load(self.checked_path(version), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    def _digest(self, path: Path, *, anew: bool) -> str | None:
        try:
            signature = _signature(path)  # from before the reading: what changes meanwhile is read again
            known_as, digest = self._digests.get(path, (None, ""))
            if anew or signature != known_as:
                digest = durable.sha256_of(path)
                self._digests[path] = signature, digest
        except FileNotFoundError:
            return None
        return digest


def _signature(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
