"""`python -m worker.cleanup`: removes what killed processes have left on the volume, and expired uploads.

A worker starts it as a process of its own (`CleanupProcess`), because it may read many folders and imports NumPy.

Everything that is removed has not changed for `leftover_seconds`, by the clock of the volume, which on NFS is the
server's: the clocks of hosts may differ. A stopped process that continues later, and whose files were removed, fails
when it renames or links them, and publishes nothing.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from redis import RedisError

from shared.errors import Conflict, GlassboxError, NotFound
from shared.jobs.files import JobFiles, delete
from shared.jobs.store import ACTIVE, JobStore
from shared.runtime import logs
from shared.runtime.processes import die_with_parent
from shared.runtime.redis_faults import explained
from shared.runtime.settings import Settings, limit_blas_threads, load_settings
from shared.storage import durable
from shared.storage.names import is_name
from shared.storage.uploads.expiry import expire
from shared.storage.volume import Volume

log = logging.getLogger(__name__)

MOST_SECONDS = 3600.0  # between two cleanups


class CleanupProcess:
    """Starts the cleanup in a process of its own, on one host of all at a time."""

    def __init__(self, jobs: JobStore, settings: Settings) -> None:
        self._jobs = jobs
        soonest = min(settings.leftover_seconds, settings.upload_expiry)
        self._every = max(settings.upkeep_seconds, min(soonest / 2, MOST_SECONDS))
        self._process: subprocess.Popen[bytes] | None = None

    def tick(self) -> None:
        """Start the cleanup if it is due."""
        if self._process is not None and self._process.poll() is None:
            return
        self._process = None
        try:
            if self._jobs.begins_cleanup(self._every):
                self._process = subprocess.Popen([sys.executable, "-m", "worker.cleanup"])
        except RedisError as error:
            log.warning("cleanup: %s", explained(error))
        except OSError as error:
            log.warning("cleanup: %s", error)

    def stop(self) -> None:
        """End the process, if it runs; the next cleanup completes its work."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Cleanup:
    """Removes temporary files, jobs that were never accepted, interrupted deletions and publications, old uploads."""

    def __init__(
        self,
        jobs: JobStore,
        files: JobFiles,
        volume: Volume,
        grace_seconds: float,
        upload_expiry: float = float("inf"),
    ) -> None:
        self._jobs = jobs
        self._files = files
        self._volume = volume
        self._grace = grace_seconds
        self._upload_expiry = upload_expiry
        self._now = 0.0

    def run(self) -> list[Path]:
        """Remove everything that is left, and return the paths; skip what needs Redis if it fails. Raises OSError.

        Temporary files come last, because removing one changes the time of its folder.
        """
        self._now = volume_now(self._volume)
        removed = []
        for part in (self._expired_uploads, self._jobs_left, self._references_left, self._temporary):
            reason = "had expired" if part == self._expired_uploads else "a killed process had left"
            try:
                for path in part():
                    log.info("cleanup: removed %s, which %s", path.relative_to(self._volume.root), reason)
                    removed.append(path)
            except RedisError as error:
                log.warning("cleanup: %s", explained(error))
        return removed

    def is_old(self, path: Path) -> bool:
        """Return whether nothing at and below the path has changed for the grace time; false if it is gone."""
        newest = 0.0
        with suppress(FileNotFoundError):
            for each in _tree(path):
                newest = max(newest, each.lstat().st_mtime)
        return 0.0 < newest < self._now - self._grace

    def _expired_uploads(self) -> Iterator[Path]:
        yield from expire(self._volume, self._now, self._upload_expiry)

    def _temporary(self) -> Iterator[Path]:
        volume = self._volume
        parts = (volume.incoming, volume.uploads, volume.datasets, volume.models, volume.jobs)
        for place in (*_temporary_in(volume.root), *(each for part in parts for each in _temporary_below(part))):
            if self.is_old(place):
                yield from _removed(place)

    def _jobs_left(self) -> Iterator[Path]:
        """Remove the folders of jobs that were never accepted; complete, or undo, deletions that were interrupted."""
        for name in _names(self._volume.jobs):
            folder = self._volume.job(name)
            is_deleted = self._files.is_deleted(name)
            if (self._files.has(name) and not is_deleted) or not self.is_old(folder):
                continue
            state = self._jobs.state(name)
            if state is None:
                yield from self._remove_job(folder)
            elif state in ACTIVE:
                self._files.keep(name)
            elif is_deleted:
                with suppress(NotFound, Conflict):  # another host completes it, or a user retries it
                    delete(self._jobs, self._files, name)
                    yield folder

    def _remove_job(self, folder: Path) -> Iterator[Path]:
        """Remove the folder, unless its job was accepted since it was looked at."""
        with suppress(FileNotFoundError):
            unlisted = durable.unlist(folder)
            if (unlisted / "specification.json").exists() and not (unlisted / "deleted").exists():
                unlisted.rename(folder)
                return
            durable.remove_tree(unlisted)
            yield folder

    def _references_left(self) -> Iterator[Path]:
        """Remove names without a data set, and weights of versions that are deleted or were never published."""
        from shared.datasets import DatasetStore  # noqa: PLC0415 - imports NumPy, which workers must not do here
        from shared.registry import Registry  # noqa: PLC0415

        yield from DatasetStore(self._volume).free_names(self.is_old)
        registry = Registry(self._volume)
        for name in _names(self._volume.models):
            with suppress(FileNotFoundError):
                yield from registry.free_leftovers(name, self._is_abandoned)

    def _is_abandoned(self, weights: Path, job: str) -> bool:
        return self.is_old(weights) and self._jobs.state(job) not in ACTIVE


def volume_now(volume: Volume) -> float:
    """Return the time by the volume's clock, which also sets the times of its files. Needs no space."""
    durable.make_folder(volume.incoming)
    os.utime(volume.incoming)
    return volume.incoming.stat().st_mtime


def _removed(path: Path) -> Iterator[Path]:
    """Remove a file or folder, and yield it if it was there."""
    with suppress(FileNotFoundError):
        if path.is_dir() and not path.is_symlink():
            durable.remove_tree(path)
        else:
            path.unlink()
        yield path


def _tree(path: Path) -> Iterator[Path]:
    """Iterate over a path and everything below it."""
    yield path
    with suppress(NotADirectoryError, FileNotFoundError):
        for name in os.listdir(path):  # noqa: PTH208 - also distinguishes a file from a folder
            yield from _tree(path / name)


def _temporary_in(folder: Path) -> list[Path]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if entry.name.startswith(durable.TEMPORARY)]
    return []


def _temporary_below(folder: Path) -> Iterator[Path]:
    """Iterate over the temporary files and folders below a folder, without those inside others."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(durable.TEMPORARY):
                yield Path(entry.path)
            elif entry.is_dir(follow_symlinks=False):
                yield from _temporary_below(Path(entry.path))


def _names(folder: Path) -> list[str]:
    with suppress(FileNotFoundError):
        return sorted(filter(is_name, os.listdir(folder)))  # noqa: PTH208
    return []


def main() -> None:
    """Clean up once."""
    die_with_parent(signal.SIGKILL)
    os.nice(19)
    limit_blas_threads(1)
    settings = load_settings()
    logs.configure(settings)
    from shared.jobs.task_queue import connect  # noqa: PLC0415

    volume = Volume(settings.volume)
    try:
        jobs = JobStore(connect(settings))
        Cleanup(jobs, JobFiles(volume), volume, settings.leftover_seconds, settings.upload_expiry).run()
    except (OSError, GlassboxError) as error:
        log.warning("cleanup: %s", error)


if __name__ == "__main__":
    main()
