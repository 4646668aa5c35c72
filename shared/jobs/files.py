"""What the volume knows of the jobs: enough to write their records anew where Redis has lost them."""

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
        ArchiveIndex,  # brings NumPy, which a worker may not import before it has set the threads
    )

log = logging.getLogger(__name__)


class JobFiles:
    """The folders of the jobs on the volume."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume

    def begin(self, job: Job, archive: Path | None = None, plan: ArchiveIndex | None = None) -> None:
        """Write a job's specification down, durably, behind the plan of its archive and the archive itself."""
        durable.make_folder(self._volume.job(job.id))
        if plan is not None:
            plan.save(self._volume.plan(job.id))
        if archive is not None:
            durable.rename(archive, self._volume.archive(job.id))
        durable.write_json(self._volume.specification(job.id), job.model_dump(mode="json", exclude_none=True))

    def has(self, job_id: str) -> bool:
        """Whether the job is written down here; one that is not was never accepted."""
        return self._volume.specification(job_id).exists()

    def end(self, job: Job) -> None:
        """Write down how a job ended; does nothing where its folder is gone."""
        assert job.state.is_terminal
        if self._volume.job(job.id).exists():
            durable.write_json(self._volume.end(job.id), job.model_dump(mode="json", exclude_none=True))

    def reopen(self, job: Job) -> None:
        """Forget how a job ended, for it is to be tried again, and write down how often it was."""
        path = self._volume.specification(job.id)
        with suppress(FileNotFoundError):  # it was never accepted
            known = json.loads(path.read_bytes())  # as it is written: a newer version's fields stay in it
            durable.write_json(path, {**known, "retries": job.retries})
        self._volume.end(job.id).unlink(missing_ok=True)

    def settle(self, job: Job, delivery: str) -> None:
        """Write down that this notice of the job's end is settled; does nothing where its folder is gone."""
        if self._volume.job(job.id).exists():
            durable.write_json(self._volume.delivery(job.id), {"settled": delivery, "finished_at": job.finished_at})

    def owes_delivery(self, job: Job) -> bool:
        """Whether the job has ended, and its webhook may not know yet."""
        if job.webhook is None or not job.state.is_terminal:
            return False
        try:
            settled = json.loads(self._volume.delivery(job.id).read_bytes())
        except (FileNotFoundError, ValueError):
            return True
        return bool(settled["finished_at"] != job.finished_at)

    def remove(self, job_id: str) -> None:
        """Remove a job's folder with all that is in it."""
        durable.remove_tree(self._volume.job(job_id))

    def __iter__(self) -> Iterator[Job]:
        """Every job as the volume knows it: as it ended, or else `queued`, to be done or to be finished."""
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
                    log.warning("%s cannot be read and is passed over: %s", path, error)


def rebuild(jobs: JobStore, files: JobFiles) -> int:
    """Write the records that Redis lacks from what the volume knows; returns how many there were to write."""
    return sum(jobs.create(job, owes_delivery=files.owes_delivery(job)) for job in files)


def close(jobs: JobStore, files: JobFiles, job_id: str) -> None:
    """Take a job's end over from its record to the volume, if it has ended; upkeep repeats it until it succeeds."""
    job = jobs.get(job_id)
    if not job.state.is_terminal:
        return
    try:
        files.end(job)
    except (OSError, StorageFull) as error:
        log.warning("job %s: its end is not on the volume yet: %s", job.id, error)
    else:
        jobs.closed(job)
