"""The restore: unpacks a backup next to the volume's content, verifies it, and only then replaces that content.

It restores the files first, then the records, then the records that the backup lacks: a job accepted while the backup
was made may be on the volume alone, and its record is rebuilt from there.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TypeVar, cast

from redis import Redis

from shared.errors import Conflict, Damaged
from shared.jobs import JobStore, Kind
from shared.jobs.files import JobFiles, rebuild
from shared.jobs.store import MOVED
from shared.jobs.task_queue import TaskQueue
from shared.storage import durable
from shared.storage.names import is_name
from shared.storage.volume import Volume
from worker.backup.archive import DELETED, RECORDS, VOLUME, BackupReader
from worker.backup.job_dump import CountersChunk, DeliveryChunk, IdempotencyChunk, JobChunk, JobDump

T = TypeVar("T")

UNPACKED = "restoring"


@dataclass(frozen=True)
class Restored:
    """The result of a restore: the number of jobs, how many of them are queued, the backup's version and time."""

    jobs: int
    waiting: int
    version: str
    created_at: str


class Restoration:
    """Restores a deployment whose API and workers are stopped."""

    def __init__(self, redis: Redis, task_queue: TaskQueue, volume: Volume) -> None:
        self._dump = JobDump(redis)
        self._files = JobFiles(volume)
        # The messages of queued jobs are due at once.
        self._jobs = JobStore(redis, resend_seconds=0.0, files=self._files)
        self._task_queue = task_queue
        self._volume = volume

    def restore(self, stream: IO[bytes], *, force: bool = False) -> Restored:
        """Restore a backup; with `force`, replace the content of a deployment that is not empty.

        Raises `Conflict` if workers are online, or if the deployment is not empty and `force` is not set; `Invalid` and
        `Damaged` as `BackupReader` does; `StorageFull`. Nothing changes before the whole backup has been read.
        """
        self._refuse_if_workers_online()
        if not force:
            self.refuse_if_not_empty()
        with self._unpacked() as folder:
            backup = BackupReader(stream)
            for path, content in backup:
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with durable.translated_errors(), target.open("xb") as file:
                    shutil.copyfileobj(content, file)
            _omit_deleted(folder)
            os.sync()
            self._dump.clear()
            self._put_in_place(folder / VOLUME, folder / "replaced")
            self._write_records(folder / RECORDS)
        count = sum(1 for _ in self._jobs.newest_first())
        waiting = sum(self._jobs.waiting(kind) for kind in Kind)
        return Restored(count, waiting, backup.title["version"], backup.title["created_at"])

    def refuse_if_not_empty(self) -> None:
        """Raise `Conflict` if the deployment has anything that a restore would replace."""
        if not self._dump.is_empty() or any(path.exists() and any(path.iterdir()) for path in self._folders()):
            detail = "this deployment has jobs, models or data sets; set FORCE=1 to replace them with the backup"
            raise Conflict("not_empty", detail)

    def _refuse_if_workers_online(self) -> None:
        if sum(self._task_queue.workers_online(kind) for kind in Kind) + self._task_queue.dispatchers_online():
            detail = "workers are online: stop them and the API; a killed worker counts as online for another 30 s"
            raise Conflict("workers_online", detail)

    def _folders(self) -> tuple[Path, ...]:
        return (self._volume.datasets, self._volume.models, self._volume.jobs)

    @contextmanager
    def _unpacked(self) -> Iterator[Path]:
        """Make a temporary folder on the volume's file system; first remove those of killed restores."""
        durable.make_folder(self._volume.root)
        for left in self._volume.root.glob(f"{durable.TEMPORARY}*-{UNPACKED}"):
            shutil.rmtree(left)
        folder = durable.temporary_beside(self._volume.root / UNPACKED)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def _put_in_place(self, unpacked: Path, replaced: Path) -> None:
        replaced.mkdir()
        for folder in self._folders():
            if folder.exists():
                folder.rename(replaced / folder.name)
            if (unpacked / folder.name).exists():
                durable.rename(unpacked / folder.name, folder)
        durable.fsync_folder(self._volume.root)

    def _write_records(self, records: Path) -> None:
        for _, job in _chunks(records / "jobs", JobChunk):
            if self._is_complete(job):
                self._dump.write_job(job, self._jobs)
                self._write_end(job)
        for name, delivery in _chunks(records / "notices", DeliveryChunk):
            self._dump.write_delivery(name, delivery)
        for digest, key in _chunks(records / "idempotency", IdempotencyChunk):
            self._dump.write_idempotency(digest, key)
        self._dump.write_counters(_read(records / "tally.json", CountersChunk))
        rebuild(self._jobs, self._files)
        self._jobs.rebuilt()

    def _is_complete(self, chunk: JobChunk) -> bool:
        """Return whether the job's files are there; else it was deleted or retried while the backup was made."""
        record = chunk["record"]
        job_id = record["id"]
        is_there = self._files.has(job_id) and not self._files.is_deleted(job_id)
        return is_there and (MOVED not in record or self._files.has_ended(job_id))

    def _write_end(self, chunk: JobChunk) -> None:
        """Write a job's outcome to the volume, if its worker had not done so yet."""
        job = self._jobs.get(chunk["record"]["id"])
        if job.state.is_terminal and not self._volume.end(job.id).exists():
            self._files.end(job)


def _omit_deleted(unpacked: Path) -> None:
    """Remove jobs and data sets that were deleted while the backup was made: it may hold some of their files."""
    if not (unpacked / DELETED).exists():  # an older release made the backup
        return
    for path in map(PurePosixPath, _read(unpacked / DELETED, list[str])):
        if len(path.parts) != 2 or not is_name(path.name):
            raise Damaged("backup_damaged", f"the backup is damaged: {path} is not a folder of a job or a data set")
        shutil.rmtree(unpacked / VOLUME / path, ignore_errors=True)


def _chunks(folder: Path, kind: type[T]) -> Iterator[tuple[str, T]]:
    for path in sorted(folder.glob("*.json")):
        yield path.name.removesuffix(".json"), _read(path, kind)


def _read(path: Path, kind: type[T]) -> T:  # noqa: ARG001 - for the type checker
    return cast("T", json.loads(path.read_bytes()))
