"""Publishing: versions count up from 1 per model, and each job publishes at most one.

A publication has three steps. It is safe if a process crashes between two steps, and if several hosts publish at once:

1. The weights, the details that are too large for a manifest, and the manifest are written under temporary names.
2. A version number is reserved by an exclusive link of the manifest into `<version>/`; if it exists, the next is tried.
3. The publication is committed by an exclusive link of `by-job/<job>`, which contains the version's number.

A version is published only if a `by-job` file contains its number. A reservation without a commit leaves a gap in the
numbers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Container, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydantic import ValidationError

from shared.errors import Damaged
from shared.json_types import JsonObject
from shared.network.evaluation.predictions import PredictionColumns
from shared.registry.details import FILES, Details
from shared.registry.index import Signature, VersionIndex
from shared.registry.manifest import ModelVersion, VersionDraft, VersionHead, Weights
from shared.registry.weights import WEIGHTS, write_parameters
from shared.runtime import clock
from shared.storage import durable
from shared.storage.names import is_name
from shared.storage.volume import Volume


class Publications:
    """Publishes versions, and lists the published numbers."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._seen: set[tuple[str, int]] = set()  # names and numbers of published versions; they stay published
        self._committed: dict[str, dict[str, int]] = {}  # by model and job, the numbers that were read
        self._index = VersionIndex(volume)
        self._indices: dict[str, tuple[Signature, Mapping[int, VersionHead]]] = {}  # by model, the index last read
        self._heads: dict[tuple[str, int], VersionHead] = {}  # by model and number; a manifest does not change
        self._newest: dict[str, int] = {}  # by name, the newest number, cached only if that version is published

    def publish(
        self,
        draft: VersionDraft,
        parameters: dict[str, NDArray[Any]],
        scratch: Path,
        confirm: Callable[[], None] = lambda: None,
        check: Callable[[], None] = lambda: None,
        predictions: PredictionColumns | None = None,
    ) -> int:
        """Publish the next version of a model, once per job; returns the number of the job's version.

        `scratch` is a folder of the job. `confirm` is called directly before the commit; it raises an error if the
        caller does not hold the job any more, and then nothing is published. `check` is called while the weights are
        written; it may raise, too. `predictions` are those for the test images, None without an evaluation.
        """
        name, job = draft.model, draft.job
        if (published := self.number_of_job(name, job)) is not None:
            return published
        weights = durable.temporary_beside(scratch / "weights.npz")
        durable.make_folder(scratch)
        with durable.fsynced(weights, check) as file:
            write_parameters(file, parameters)
        details = Details.of(draft, predictions)
        try:
            size = Weights(bytes=weights.stat().st_size, sha256=durable.sha256_of(weights, check))
            with details.written(scratch, check) as (paths, files):
                version = self._reserve(draft, size, {**details.fields, "files": files})
                folder = self._volume.version(name, version.version)
                durable.link_exclusively(weights, folder / WEIGHTS)  # first: a version with further files has weights
                for file_name, path in paths.items():
                    durable.link_exclusively(path, folder / file_name)
        finally:
            weights.unlink(missing_ok=True)
        try:
            confirm()
            durable.write_exclusively(self._volume.commit(name, job), str(version.version).encode())
        finally:  # an error may occur after the commit, so the job's file decides
            if self.number_of_job(name, job) != version.version:
                self.free(name, version.version)  # the number stays reserved: another publisher may try it now
        committed = self.number_of_job(name, job)
        assert committed is not None
        self._write_index(name)
        return committed

    def free(self, name: str, number: int) -> None:
        """Remove a version's files except its manifest, which keeps the number reserved; the weights last."""
        for file_name in (*FILES, WEIGHTS):
            (self._volume.version(name, number) / file_name).unlink(missing_ok=True)

    def number_of_job(self, name: str, job: str) -> int | None:
        """Return the number of the version that the job has published, or None."""
        commit = self._volume.commit(name, job)
        return int(commit.read_text()) if commit.exists() else None

    def numbers(self, name: str) -> list[int]:
        """Return all published numbers, newest first."""
        commits = self._volume.commit(name, "any").parent
        try:
            jobs = os.listdir(commits)  # noqa: PTH208 - several times as fast as pathlib
        except FileNotFoundError:
            jobs = []
        known = self._committed.get(name, {})
        found = {job: known.get(job) or int((commits / job).read_text()) for job in jobs if is_name(job)}
        self._committed[name] = found
        return sorted(found.values(), reverse=True)

    def head(self, name: str, number: int) -> VersionHead | None:
        """Return what lists need of a version, from the model's index if it has the version.

        Returns None if this version of the code cannot read the manifest; raises `FileNotFoundError`.
        """
        key = (name, number)
        if key not in self._heads:
            if (head := self._indexed(name).get(number)) is None or not self._is_current(head):
                path = self._manifest_path(name, number)
                try:
                    head = VersionHead.of(self.manifest(name, number), path.stat().st_size)
                except Damaged:
                    return None
            self._heads[key] = head
        return self._heads[key]

    def _indexed(self, name: str) -> Mapping[int, VersionHead]:
        """Return the heads of the model's index, which is read again after another process has written it."""
        signature = self._index.signature(name)
        known = self._indices.get(name)
        if known is None or known[0] != signature:
            known = self._indices[name] = (signature, self._index.read(name))
        return known[1]

    def _is_current(self, head: VersionHead) -> bool:
        """Return whether the manifest still has the size that it had when the index was written."""
        return self._manifest_path(head.model, head.version).stat().st_size == head.manifest_bytes

    def _write_index(self, name: str) -> None:
        """Write the index with all published versions that this version of the code can read."""
        heads = (self.head(name, number) for number in self.numbers(name))
        self._index.write(name, [head for head in heads if head is not None])

    def _manifest_path(self, name: str, number: int) -> Path:
        return self._volume.version(name, number) / "manifest.json"

    def abandoned(self, name: str) -> list[tuple[int, str]]:
        """Return the numbers that are reserved but not published and still have weights, each with its job."""
        published = set(self.numbers(name))
        reserved = [number for number in self.newest_first(name) if number not in published]
        return [
            (number, str(self.content(name, number).get("job")))
            for number in reserved
            if (self._volume.version(name, number) / WEIGHTS).exists()
        ]

    def newest_first(self, name: str) -> list[int]:
        """Return all numbers that are published or reserved, newest first; faster than `numbers`."""
        try:
            names = os.listdir(self._volume.model(name))  # noqa: PTH208 - several times as fast as pathlib
        except FileNotFoundError:
            return []
        return sorted((int(taken) for taken in names if taken.isdecimal()), reverse=True)

    def newest(self, name: str, deleted: Container[int]) -> int | None:
        """Return the newest published number that is not deleted, or None.

        A version whose manifest cannot be read is skipped, unless the model has no other.
        """
        known = self._newest.get(name)
        if known is not None and known not in deleted and not os.path.exists(_folder(self._volume, name, known + 1)):  # noqa: PTH110
            return known  # numbers are reserved in order, so there is no newer one
        numbers = self.newest_first(name)
        published = (number for number in numbers if number not in deleted and self.is_published(name, number))
        unreadable = None
        for number in published:
            if self.is_readable(name, number):
                if number == numbers[0]:
                    self._newest[name] = number
                return number
            unreadable = unreadable or number
        return unreadable

    def is_published(self, name: str, number: int) -> bool:
        """Return whether the number is published and not only reserved."""
        if (name, number) not in self._seen:
            if number not in self.numbers(name):
                return False
            self._seen.add((name, number))
        return True

    def is_readable(self, name: str, number: int) -> bool:
        """Return whether this version of the code can read the manifest; raises `FileNotFoundError`."""
        return self.head(name, number) is not None

    def manifest(self, name: str, number: int) -> ModelVersion:
        """Read a version's manifest; raises `FileNotFoundError`, or `Damaged` if this code cannot read it."""
        content = (self._volume.version(name, number) / "manifest.json").read_bytes()
        try:
            return ModelVersion.model_validate_json(content)
        except ValidationError as error:
            raise _unreadable(name, number, error) from error

    def content(self, name: str, number: int) -> JsonObject:
        """Return a manifest's JSON without validation, empty if it is not a JSON object; raises `FileNotFoundError`."""
        try:
            content = json.loads((self._volume.version(name, number) / "manifest.json").read_bytes())
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    def _reserve(self, draft: VersionDraft, weights: Weights, fields: Mapping[str, Any]) -> ModelVersion:
        """Reserve the next free number by an exclusive link of its manifest; `fields` replace the draft's."""
        name, created_at = draft.model, clock.now()
        durable.make_folder(self._volume.model(name))
        number = max(self.newest_first(name), default=0)
        while True:
            number += 1
            version = ModelVersion.of(draft, number, weights, created_at, **fields)
            if durable.write_exclusively(self._volume.version(name, number) / "manifest.json", version.encoded()):
                return version


@lru_cache(maxsize=1000)  # building a path each time would slow down predictions
def _folder(volume: Volume, name: str, number: int) -> str:
    return str(volume.version(name, number))


def _unreadable(name: str, number: int, error: ValidationError) -> Damaged:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return Damaged(
        "version_unreadable",
        f"the manifest of {name}@{number} cannot be read ({place}: {first['msg']}): a newer version of Glassbox wrote"
        " it, or it is damaged; upgrade Glassbox, or use another version of the model",
    )
