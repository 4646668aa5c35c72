"""The versions' weights: loaded after a check of their digest, with a faster check for lists of versions."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import Damaged
from shared.registry.manifest import ModelVersion, VersionHead
from shared.registry.stored import StoredArray, stored_arrays
from shared.storage.digests import FileDigests
from shared.storage.volume import Volume

WEIGHTS = "weights.npz"


def write_parameters(file: IO[bytes], parameters: Mapping[str, NDArray[Any]]) -> None:
    """Write a `weights.npz`; the same parameters give the same bytes, because the file contains no time."""
    np.savez(file, allow_pickle=False, **parameters)


def digest_of(parameters: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of the `weights.npz` with these parameters."""
    file = io.BytesIO()
    write_parameters(file, parameters)
    return hashlib.sha256(file.getbuffer()).hexdigest()


class WeightFiles:
    """The reader of the versions' `weights.npz`."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._digests = FileDigests()

    def path(self, version: ModelVersion | VersionHead) -> Path:
        """Return the path of the version's file, without a check."""
        return self._volume.version(version.model, version.version) / WEIGHTS

    def checked_path(self, version: ModelVersion, *, anew: bool = True) -> Path:
        """Return the path of the version's file after a check of its digest; raises `Damaged` if that fails.

        The check reads the file, unless `anew` is false and the file has not changed since it was last read.
        """
        path = self.path(version)
        if self._digests.of(path, anew=anew) != version.weights.sha256:
            raise Damaged(
                "version_damaged",
                f"the weights of {version.model}@{version.version} have changed since they were published; use another"
                " version",
            )
        return path

    def is_damaged(self, version: ModelVersion | VersionHead) -> bool:
        """Return whether the version's file has changed since it was published, by a fast check.

        The check reads a file once, and again if its size or modification time changes. It also uses the result of
        `load`, which reads the file each time, and so detects bits that changed without a write.
        """
        return self._digests.of(self.path(version)) != version.weights.sha256

    def details_path(self, version: ModelVersion, name: str) -> Path | None:
        """Return the path of the version's further file with this name, None without one.

        Raises `Damaged` if its digest is wrong; the file is read for this if it has changed since it was last read.
        """
        stored = version.files.get(name)
        if stored is None:
            return None
        path = self._volume.version(version.model, version.version) / name
        if self._digests.of(path) != stored.sha256:
            raise Damaged(
                "version_damaged",
                f"{name} of {version.model}@{version.version} has changed since it was published; restore the file from"
                " a backup, or use another version",
            )
        return path

    def load(self, version: ModelVersion) -> dict[str, NDArray[Any]]:
        """Load the version's parameters by name; raises `Damaged` if the file's digest is wrong."""
        with np.load(self.checked_path(version), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    def stored(self, version: ModelVersion, *, anew: bool = True) -> dict[str, StoredArray]:
        """Return the version's parameters by name, to be read later; raises `Damaged` if the file's digest is wrong."""
        return stored_arrays(self.checked_path(version, anew=anew))
