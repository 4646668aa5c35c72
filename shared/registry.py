"""The model registry: the volume itself. Versions count up from 1 per model; each job publishes at most one.

Publishing takes three steps that survive a crash between any two of them, and several hosts at once:

1. The weights and the manifest are written where nobody looks.
2. A version number is reserved by linking the manifest into `<version>/`, exclusively: who comes second takes the next.
3. The publication is committed by linking `by-job/<job>`, exclusively, which names the version.

Only what a `by-job` file names is published. A reservation that was never committed leaves a gap in the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from shared import clock, durable
from shared.errors import Damaged, NotFound
from shared.names import is_name
from shared.volume import Volume


class Weights(BaseModel):
    """The file that holds a version's parameters."""

    model_config = ConfigDict(frozen=True)

    bytes: int
    sha256: str


class ModelVersion(BaseModel):
    """One published version, as its `manifest.json` says; it never changes."""

    model_config = ConfigDict(frozen=True)

    model: str
    version: int
    job: str
    dataset: str
    configuration: dict[str, Any]
    seed: int
    blas_threads: int
    image_shape: tuple[int, int]
    classes: tuple[str, ...]
    parameters: int
    metrics: dict[str, Any]
    history: tuple[dict[str, Any], ...] = ()
    evaluation: dict[str, Any] = Field(default_factory=dict)
    weights: Weights
    created_at: str


class Registry:
    """Publishes, finds and loads model versions."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._digests: dict[Path, tuple[tuple[int, int], str]] = {}  # by path: size and time of change, SHA-256

    def publish(
        self,
        draft: dict[str, Any],
        parameters: dict[str, NDArray[Any]],
        scratch: Path,
        confirm: Callable[[], None] = lambda: None,
    ) -> ModelVersion:
        """Publish what a job trained as the next version of its model; a second call for the job changes nothing.

        `draft` is the manifest without `version`, `weights` and `created_at`; `scratch` is a folder of the job's own.
        `confirm` is called last before the commit: what it raises, because the job is not the caller's any more, leaves
        nothing published.
        """
        name, job = draft["model"], draft["job"]
        if (published := self.version_of_job(name, job)) is not None:
            return published
        weights = durable.temporary_beside(scratch / "weights.npz")
        durable.make_folder(scratch)
        with durable.fsynced(weights) as file:
            np.savez(file, allow_pickle=False, **parameters)
        try:
            size = Weights(bytes=weights.stat().st_size, sha256=durable.sha256_of(weights))
            version = self._reserve({**draft, "weights": size, "created_at": clock.now()})
            folder = self._volume.version(name, version.version)
            durable.link_exclusively(weights, folder / "weights.npz")
        finally:
            weights.unlink(missing_ok=True)
        try:
            confirm()
            durable.write_exclusively(self._volume.commit(name, job), str(version.version).encode())
        finally:  # an error may come after the commit: what the job's file says decides, not how its writing ended
            if self._number_of_job(name, job) != version.version:
                (folder / "weights.npz").unlink()  # the number stays taken: who comes next may be about to try it
        committed = self.version_of_job(name, job)
        assert committed is not None
        return committed

    def version_of_job(self, name: str, job: str) -> ModelVersion | None:
        """What the job has published, or None."""
        number = self._number_of_job(name, job)
        return None if number is None else self._manifest(name, number)

    def models(self) -> list[str]:
        """The names of all models that have a version, sorted."""
        folders = self._volume.models.iterdir() if self._volume.models.exists() else ()
        return sorted(folder.name for folder in folders if is_name(folder.name) and self._numbers(folder.name))

    def versions(self, name: str) -> list[ModelVersion]:
        """All versions of a model, the newest first; `NotFound` where there is none."""
        return [self._manifest(name, number) for number in self._existing_numbers(name)]

    def get(self, name: str, reference: str = "latest") -> ModelVersion:
        """One version: by number, by alias, or the newest (`latest`)."""
        numbers = self._existing_numbers(name)
        if reference == "latest":
            return self._manifest(name, numbers[0])
        number = {str(number): number for number in numbers}.get(reference) or self.aliases(name).get(reference)
        if number not in numbers:
            raise NotFound(
                "version_not_found", f"the model {name!r} has no version {reference!r}; its newest is {numbers[0]}"
            )
        return self._manifest(name, number)

    def resolve(self, reference: str) -> ModelVersion:
        """One version by a reference as people write it: `name`, `name@alias` or `name@3`."""
        name, _, version = reference.partition("@")
        return self.get(name, version or "latest")

    def aliases(self, name: str) -> dict[str, int]:
        """The model's aliases and the versions that they point to."""
        folder = self._volume.alias(name, "any").parent
        files = folder.iterdir() if folder.exists() else ()
        return {file.name: int(file.read_text()) for file in files if is_name(file.name)}

    def point(self, name: str, alias: str, version: int) -> None:
        """Let the alias point to the version."""
        durable.write_bytes(self._volume.alias(name, alias), str(version).encode())

    def weights_path(self, version: ModelVersion) -> Path:
        """The version's `.npz`, after a check of its digest; raises `Damaged` where it is wrong."""
        path = self._weights(version)
        if not path.exists() or self._fresh_digest(path) != version.weights.sha256:
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
        path = self._weights(version)
        try:
            known_as, digest = self._digests.get(path, (None, ""))
            if _signature(path) != known_as:
                digest = self._fresh_digest(path)
        except FileNotFoundError:
            return True
        return digest != version.weights.sha256

    def load(self, version: ModelVersion) -> dict[str, NDArray[Any]]:
        """The version's parameters by name; raises `Damaged` where the file is not what was published."""
        with np.load(self.weights_path(version), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    def _weights(self, version: ModelVersion) -> Path:
        return self._volume.version(version.model, version.version) / "weights.npz"

    def _fresh_digest(self, path: Path) -> str:
        signature = _signature(path)  # from before the reading: what changes meanwhile is read again
        digest = durable.sha256_of(path)
        self._digests[path] = signature, digest
        return digest

    def _number_of_job(self, name: str, job: str) -> int | None:
        commit = self._volume.commit(name, job)
        return int(commit.read_text()) if commit.exists() else None

    def _reserve(self, draft: dict[str, Any]) -> ModelVersion:
        """Take the next free number by an exclusive link of the manifest that claims it."""
        name = draft["model"]
        durable.make_folder(self._volume.model(name))
        number = max(self._taken_numbers(name), default=0)
        while True:
            number += 1
            version = ModelVersion(version=number, **draft)
            manifest = durable.encode_json(version.model_dump(mode="json"))
            if durable.write_exclusively(self._volume.version(name, number) / "manifest.json", manifest):
                return version

    def _taken_numbers(self, name: str) -> Iterator[int]:
        """The numbers that are published or reserved."""
        return (int(folder.name) for folder in self._volume.model(name).iterdir() if folder.name.isdecimal())

    def _numbers(self, name: str) -> list[int]:
        """The numbers of the published versions, the newest first."""
        commits = self._volume.commit(name, "any").parent
        files = commits.iterdir() if commits.exists() else ()
        return sorted((int(file.read_text()) for file in files if is_name(file.name)), reverse=True)

    def _existing_numbers(self, name: str) -> list[int]:
        numbers = self._numbers(name) if is_name(name) else []
        if not numbers:
            raise NotFound("model_not_found", f"there is no model {name!r}; a training job makes one")
        return numbers

    def _manifest(self, name: str, number: int) -> ModelVersion:
        return ModelVersion.model_validate_json((self._volume.version(name, number) / "manifest.json").read_bytes())


def _signature(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
