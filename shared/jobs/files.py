"""The jobs' files on the volume: enough to rebuild the records if Redis loses them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from shared.errors import StorageFull
from shared.jobs import Job, JobStore
from shared.storage import durable
from shared.storage.names import is_name
from shared.storage.volume import Volume

if TYPE_CHECKING:
    from shared.archives import (
        ArchiveIndex,  # imports NumPy, which a worker may import only after it has set the number of BLAS threads
    )

log = logging.getLogger(__name__)


class JobFiles:
    """The folders of the jobs on the volume."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume

    def begin(self, job: Job, archive: Path | None = None, index: ArchiveIndex | None = None) -> None:
        """Write the index of a job's archive, then the archive itself, then the job's specification, all durably."""
        durable.make_folder(self._volume.job(job.id))
        if index is not None:
            index.save(self._volume.archive_index(job.id))
        if archive is not None:
            durable.rename(archive, self._volume.archive(job.id))
        durable.write_json(self._volume.specification(job.id), job.model_dump(mode="json", exclude_none=True))

    def has(self, job_id: str) -> bool:
        """Return whether the job's specification exists; a job without one was never accepted."""
        return self._volume.specification(job_id).exists()

    def end(self, job: Job) -> None:
        """Write how a job ended; does nothing if its folder is deleted."""
        assert job.state.is_terminal
        if self._volume.job(job.id).exists():
            durable.write_json(self._volume.end(job.id), job.model_dump(mode="json", exclude_none=True))

    def reopen(self, job: Job) -> None:
        """Prepare a job's retry: store its count of retries, then remove the file that says how it ended."""
        path = self._volume.specification(job.id)
        with suppress(FileNotFoundError):  # the job was never accepted
            known = json.loads(path.read_bytes())  # not parsed as a Job, so that a newer version's fields are kept
            durable.write_json(path, {**known, "retries": job.retries})
        self._volume.end(job.id).unlink(missing_ok=True)

    def settle(self, job: Job, delivery: str) -> None:
        """Write that this webhook delivery of the job's end is settled; does nothing if the job's folder is deleted."""
        if self._volume.job(job.id).exists():
            durable.write_json(self._volume.delivery(job.id), {"settled": delivery, "finished_at": job.finished_at})

    def owes_delivery(self, job: Job) -> bool:
        """Return whether the job has ended, and its webhook may not have received the delivery yet."""
        if job.webhook is None or not job.state.is_terminal:
            return False
        try:
            settled = json.loads(self._volume.delivery(job.id).read_bytes())
        except (FileNotFoundError, ValueError):
            return True
        return bool(settled["finished_at"] != job.finished_at)

    def remove(self, job_id: str) -> None:
        """Remove a job's folder with its files."""
        durable.remove_tree(self._volume.job(job_id))

    def __iter__(self) -> Iterator[Job]:
        """Iterate over all jobs on the volume, each as it ended, or as `queued` if it has not ended."""
        folders = self._volume.jobs.iterdir() if self._volume.jobs.exists() else ()
        for folder in sorted(folders):
            if not is_name(folder.name):
                continue
            for path in (self._volume.end(folder.name), self._volume.specification(folder.name)):
                try:
                    yield Job.model_validate_json(path.read_bytes())
                    break
                except (FileNotFoundError, NotADirectoryError):
                    continue
                except ValidationError as error:
                    log.warning("%s cannot be read and is skipped: %s", path, error)


def rebuild(jobs: JobStore, files: JobFiles) -> int:
    """Create the records that Redis lacks from the volume's files; returns how many were created."""
    return sum(jobs.create(job, owes_delivery=files.owes_delivery(job)) for job in files)


def close(jobs: JobStore, files: JobFiles, job_id: str) -> None:
    """Copy a job's end, if it has ended, from its record to the volume; maintenance repeats this until it succeeds."""
    job = jobs.get(job_id)
    if not job.state.is_terminal:
        return
    try:
        files.end(job)
    except (OSError, StorageFull) as error:
        log.warning("job %s: its end is not on the volume yet: %s", job.id, error)
    else:
        jobs.closed(job)
