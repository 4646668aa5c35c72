"""Publishing: versions count up from 1 per model, and each job publishes at most one.

It takes three steps that survive a crash between any two of them, and several hosts at once:

1. The weights and the manifest are written where nobody looks.
2. A version number is reserved by linking the manifest into `<version>/`, exclusively: who comes second takes the next.
3. The publication is committed by linking `by-job/<job>`, exclusively, which names the version.

Only what a `by-job` file names is published. A reservation that was never committed leaves a gap in the numbers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container
from functools import lru_cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from shared.registry.manifest import ModelVersion, VersionDraft, Weights
from shared.registry.weights import write_parameters
from shared.runtime import clock
from shared.storage import durable
from shared.storage.names import is_name
from shared.storage.volume import Volume


class Publications:
    """Makes versions, and tells which numbers are published."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._seen: set[tuple[str, int]] = set()  # names and numbers that are published: they stay so
        self._newest: dict[str, int] = {}  # by name, the newest number when it was last published itself

    def publish(
        self,
        draft: VersionDraft,
        parameters: dict[str, NDArray[Any]],
        scratch: Path,
        confirm: Callable[[], None] = lambda: None,
    ) -> int:
        """Publish the next version of a model, once for a job; returns the number that the job's publication has.

        `scratch` is a folder of the job's own.
        `confirm` is called last before the commit: what it raises, because the job is not the caller's any more, leaves
        nothing published.
        """
        name, job = draft.model, draft.job
        if (published := self.number_of_job(name, job)) is not None:
            return published
        weights = durable.temporary_beside(scratch / "weights.npz")
        durable.make_folder(scratch)
        with durable.fsynced(weights) as file:
            write_parameters(file, parameters)
        try:
            size = Weights(bytes=weights.stat().st_size, sha256=durable.sha256_of(weights))
            version = self._reserve(draft, size)
            folder = self._volume.version(name, version.version)
            durable.link_exclusively(weights, folder / "weights.npz")
        finally:
            weights.unlink(missing_ok=True)
        try:
            confirm()
            durable.write_exclusively(self._volume.commit(name, job), str(version.version).encode())
        finally:  # an error may come after the commit: what the job's file says decides, not how its writing ended
            if self.number_of_job(name, job) != version.version:
                (folder / "weights.npz").unlink()  # the number stays taken: who comes next may be about to try it
        committed = self.number_of_job(name, job)
        assert committed is not None
        return committed

    def number_of_job(self, name: str, job: str) -> int | None:
        """The number that the job has published, or None."""
        commit = self._volume.commit(name, job)
        return int(commit.read_text()) if commit.exists() else None

    def numbers(self, name: str) -> list[int]:
        """All published numbers, the newest first."""
        commits = self._volume.commit(name, "any").parent
        files = commits.iterdir() if commits.exists() else ()
        return sorted((int(file.read_text()) for file in files if is_name(file.name)), reverse=True)

    def newest_first(self, name: str) -> list[int]:
        """All numbers that are published or reserved, the newest first: cheaper than `numbers`."""
        try:
            names = os.listdir(self._volume.model(name))  # noqa: PTH208 - at a fraction of pathlib's time
        except FileNotFoundError:
            return []
        return sorted((int(taken) for taken in names if taken.isdecimal()), reverse=True)

    def newest(self, name: str, deleted: Container[int]) -> int | None:
        """The newest published number that is not deleted, or None."""
        known = self._newest.get(name)
        if known is not None and known not in deleted and not os.path.exists(_folder(self._volume, name, known + 1)):  # noqa: PTH110
            return known  # numbers are taken one after the other, so no one has come since
        numbers = self.newest_first(name)
        for number in numbers:
            if number not in deleted and self.is_published(name, number):
                if number == numbers[0]:
                    self._newest[name] = number
                return number
        return None

    def is_published(self, name: str, number: int) -> bool:
        """Whether the number is published, not only reserved."""
        if (name, number) not in self._seen:
            try:
                job = self.manifest(name, number).job
            except FileNotFoundError:
                return False
            if self.number_of_job(name, job) != number:
                return False
            self._seen.add((name, number))
        return True

    def manifest(self, name: str, number: int) -> ModelVersion:
        """What a version says of itself; raises `FileNotFoundError`."""
        return ModelVersion.model_validate_json((self._volume.version(name, number) / "manifest.json").read_bytes())

    def _reserve(self, draft: VersionDraft, weights: Weights) -> ModelVersion:
        """Take the next free number by an exclusive link of the manifest that claims it."""
        name, created_at = draft.model, clock.now()
        durable.make_folder(self._volume.model(name))
        number = max(self.newest_first(name), default=0)
        while True:
            number += 1
            version = ModelVersion.of(draft, number, weights, created_at)
            if durable.write_exclusively(self._volume.version(name, number) / "manifest.json", version.encoded()):
                return version


@lru_cache(maxsize=1000)  # a prediction is short: to put a path together would take a part of it
def _folder(volume: Volume, name: str, number: int) -> str:
    return str(volume.version(name, number))
