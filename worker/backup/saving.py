"""The content of a backup and its order, so that a backup made while jobs run has no dangling reference.

The records come first. A deployment writes a file before anything refers to it, and never changes a file in place.
So the files that a record refers to still exist when the volume is read, unless a user deletes them meanwhile. The jobs
and data sets that were deleted after some of their files were saved are listed at the end, and a restore omits them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from redis import Redis

from shared.storage.durable import TEMPORARY
from shared.storage.names import is_name
from shared.storage.volume import Volume
from worker.backup.archive import DELETED, RECORDS, VOLUME, BackupWriter
from worker.backup.job_dump import JobDump


def save(redis: Redis, volume: Volume, stream: IO[bytes]) -> int:
    """Write a backup to the stream; return the size of its content in bytes. Raises `redis.RedisError` and OSError."""
    with BackupWriter(stream) as backup:
        for name, chunk in JobDump(redis).read():
            backup.add_json(f"{RECORDS}/{name}.json", chunk)
        folders = set()
        for path in files(volume):
            with suppress(FileNotFoundError), path.open("rb") as file:  # deleted meanwhile, such as an old checkpoint
                backup.add_file(f"{VOLUME}/{path.relative_to(volume.root).as_posix()}", file)
                folders.add(volume.root.joinpath(*path.relative_to(volume.root).parts[:2]))
        deleted = [folder for folder in sorted(folders) if _is_deleted(folder, volume)]
        backup.add_json(DELETED, [folder.relative_to(volume.root).as_posix() for folder in deleted])
    return backup.bytes


def _is_deleted(folder: Path, volume: Volume) -> bool:
    """Return whether this folder of a job or a data set was deleted, or is being deleted."""
    if folder.parent == volume.jobs:
        return not volume.specification(folder.name).exists() or volume.deletion(folder.name).exists()
    return folder.parent == volume.datasets and not folder.exists()


def files(volume: Volume) -> Iterator[Path]:
    """Yield the volume's files to save, references before their targets.

    Skips uploads, which clients can send again, the webhooks' secret, and the indices of the models' versions.
    """
    for folder in _folders(volume.jobs):
        specification = volume.specification(folder.name)
        if specification.exists():  # else the job is being submitted or deleted
            yield from _each_once(specification, volume.end(folder.name), volume.delivery(folder.name), folder)
    for folder in _folders(volume.models):
        index = volume.version_index(folder.name)  # a cache, which could name a version that this backup lacks
        places = (volume.states(folder.name), volume.commit(folder.name, "any").parent, folder)
        yield from (path for path in _each_once(*places) if path != index)
    yield from _each_once(volume.dataset_names, volume.datasets)


def _folders(parent: Path) -> list[Path]:
    with suppress(FileNotFoundError):
        return sorted(path for path in parent.iterdir() if is_name(path.name))
    return []


def _each_once(*places: Path) -> Iterator[Path]:
    """Yield the files at and below these places, in this order, each once."""
    seen: set[Path] = set()
    for place in places:
        for path in _below(place):
            if path not in seen:
                seen.add(path)
                yield path


def _below(place: Path) -> Iterator[Path]:
    """Yield the files at and below a place; of numbered files the newest first, as it is deleted last."""
    try:
        names = sorted(os.listdir(place), reverse=True)  # noqa: PTH208 - also distinguishes a file from a folder
    except NotADirectoryError:
        yield place
        return
    except FileNotFoundError:
        return
    for name in names:
        if not name.startswith(TEMPORARY):
            yield from _below(place / name)
