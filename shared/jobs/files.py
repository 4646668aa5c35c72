"""The jobs' files on the volume: enough to rebuild the records if Redis loses them.

The records of ended jobs move here, with their logs: `end.json` and `events.jsonl`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from shared.errors import Conflict, StorageFull
from shared.jobs import Event, Job, JobStore
from shared.jobs.store import MAX_EVENTS
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
        """Write the files of an accepted job."""
        self.prepare(job, archive, index)
        self.accept(job.id)

    def prepare(self, job: Job, archive: Path | None = None, index: ArchiveIndex | None = None) -> None:
        """Write the index of a job's archive, the archive itself, then the draft of the job's specification, durably.

        A job without more than that was never accepted: no worker runs it, and no record is rebuilt from it.
        """
        durable.make_folder(self._volume.job(job.id))
        if self.is_deleted(job.id):  # a repeated request has the id of a job that was being deleted
            self._volume.specification(job.id).unlink(missing_ok=True)
            self.keep(job.id)
        if index is not None:
            index.save(self._volume.archive_index(job.id))
        if archive is not None:
            if archive.is_dir():  # several
                durable.fsync_folder(archive)
            durable.rename(archive, self._volume.archive(job.id))
        durable.write_json(self._volume.draft(job.id), job.model_dump(mode="json", exclude_none=True))

    def accept(self, job_id: str) -> None:
        """Make the draft the job's specification, once its record exists: from now on the job outlives Redis."""
        durable.rename(self._volume.draft(job_id), self._volume.specification(job_id))

    def has(self, job_id: str) -> bool:
        """Return whether the job's specification exists; a job without one was never accepted."""
        return self._volume.specification(job_id).exists()

    def end(self, job: Job) -> bool:
        """Write how a job ended; returns False and does nothing if its folder is deleted."""
        assert job.state.is_terminal
        if not self._volume.job(job.id).exists():
            return False
        durable.write_json(self._volume.end(job.id), job.model_dump(mode="json", exclude_none=True))
        return True

    def ended(self, job_id: str) -> Job | None:
        """Return the job as it ended; None without such a file. Raises OSError, or `ValidationError` as `Job` does."""
        try:
            return Job.model_validate_json(self._volume.end(job_id).read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None

    def log(self, job_id: str) -> list[Event]:
        """Return the events of the job's log that are on the volume, the oldest first; raises OSError."""
        try:
            lines = self._volume.events(job_id).read_bytes().splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return []
        events = []
        for line in lines:
            try:
                events.append(Event.of(*json.loads(line)))
            except (ValueError, TypeError) as error:
                log.warning("job %s: an event of its log on the volume is damaged and skipped: %s", job_id, error)
        return events

    def extend_log(self, job_id: str, events: Sequence[Event]) -> None:
        """Append the events that the log on the volume lacks, durably; the newest `MAX_EVENTS` are kept."""
        if not events:
            return
        kept = self.log(job_id)
        newest = kept[-1].position if kept else (0, 0)
        kept += [event for event in events if event.position > newest]
        lines = (json.dumps([event.id, event.type, event.data], ensure_ascii=False) for event in kept[-MAX_EVENTS:])
        durable.write_bytes(self._volume.events(job_id), "".join(f"{line}\n" for line in lines).encode())

    def reopen(self, job: Job) -> None:
        """Prepare a job's retry: store its count of retries, then remove the file that says how it ended."""
        self.keep(job.id)
        path = self._volume.specification(job.id)
        with suppress(FileNotFoundError):  # the job was never accepted
            known = json.loads(path.read_bytes())  # not parsed as a Job, so that a newer version's fields are kept
            durable.write_json(path, {**known, "retries": job.retries})
        self._volume.end(job.id).unlink(missing_ok=True)

    def has_ended(self, job_id: str) -> bool:
        """Return whether the volume has the file that says how the job ended."""
        return self._volume.end(job_id).exists()

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

    def mark_deleted(self, job_id: str) -> None:
        """Mark the job as deleted, durably and without new space: its record is never rebuilt from these files."""
        with suppress(FileNotFoundError, StorageFull):  # without a specification, no record is rebuilt anyway
            durable.link_exclusively(self._volume.specification(job_id), self._volume.deletion(job_id))

    def keep(self, job_id: str) -> None:
        """Remove the mark of a deletion that did not take place."""
        self._volume.deletion(job_id).unlink(missing_ok=True)

    def is_deleted(self, job_id: str) -> bool:
        """Return whether the job is marked as deleted."""
        return self._volume.deletion(job_id).exists()

    def remove(self, job_id: str) -> None:
        """Remove a job's folder with its files."""
        durable.remove_tree(self._volume.job(job_id))

    def __iter__(self) -> Iterator[Job]:
        """Iterate over all jobs on the volume, each as it ended, or as `queued` if it has not ended.

        Skips jobs that were never accepted or that are marked as deleted.
        """
        folders = self._volume.jobs.iterdir() if self._volume.jobs.exists() else ()
        for folder in sorted(folders):
            if not is_name(folder.name) or not self.has(folder.name) or self.is_deleted(folder.name):
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
    """Create the records that Redis lacks from the volume's files; returns how many were created.

    The record of an ended job moves back to the volume at once, so that the records need no more memory than before.
    """
    count = 0
    for job in files:
        if jobs.create(job, owes_delivery=files.owes_delivery(job)):
            count += 1
            if job.finished_at is not None:
                jobs.closed(job, moves=files.has_ended(job.id))
    return count


def delete(jobs: JobStore, files: JobFiles, job_id: str) -> None:
    """Delete an ended job: mark its files, remove its record, then its files; maintenance completes this after a crash.

    Raises `NotFound`, or `Conflict` if the job has not ended.
    """
    jobs.require_ended(job_id)
    files.mark_deleted(job_id)
    try:
        jobs.delete(job_id)
    except Conflict:  # a user has retried it in the meantime
        files.keep(job_id)
        raise
    files.remove(job_id)


def close(jobs: JobStore, files: JobFiles, job_id: str) -> None:
    """Copy a job's end and its log, if it has ended, from Redis to the volume, then move its record there if it is due.

    Maintenance repeats this until it succeeds.
    """
    job = jobs.get(job_id)
    if not job.state.is_terminal:
        return
    events = jobs.log_in_redis(job_id)
    try:
        if has_folder := files.end(job):
            files.extend_log(job_id, events)
    except (OSError, StorageFull) as error:
        log.warning("job %s: its end is not on the volume yet: %s", job.id, error)
    else:
        jobs.closed(job, events[-1].id if events else "", moves=has_folder and files.has(job_id))
