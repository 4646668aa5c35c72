"""What is saved of a deployment, and in which order, so that a backup made while jobs run mentions nothing it lacks.

The records come first. A file of the volume is written before anything refers to it, and never changes in its place, so
what a record read earlier refers to is there when the volume is read later; unless somebody deletes it meanwhile.
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
from worker.backup.archive import RECORDS, VOLUME, BackupWriter
from worker.backup.job_dump import JobDump


def save(redis: Redis, volume: Volume, stream: IO[bytes]) -> int:
    """Write a backup to the stream; returns its content's bytes. Raises `redis.RedisError` and OSError."""
    with BackupWriter(stream) as backup:
        for name, chunk in JobDump(redis).read():
            backup.add_json(f"{RECORDS}/{name}.json", chunk)
        for path in files(volume):
            with suppress(FileNotFoundError), path.open("rb") as file:  # it was deleted, or an old checkpoint
                backup.add_file(f"{VOLUME}/{path.relative_to(volume.root).as_posix()}", file)
    return backup.bytes


def files(volume: Volume) -> Iterator[Path]:
    """The volume's files that are to be saved, what refers to others before those.

    Neither uploads that still arrive are among them nor the webhooks' secret.
    """
    for folder in _folders(volume.jobs):
        specification = volume.specification(folder.name)
        if specification.exists():  # else it is just being submitted, or deleted
            yield from _each_once(specification, volume.end(folder.name), volume.delivery(folder.name), folder)
    for folder in _folders(volume.models):
        yield from _each_once(volume.states(folder.name), volume.commit(folder.name, "any").parent, folder)
    yield from _each_once(volume.dataset_names, volume.datasets)


def _folders(parent: Path) -> list[Path]:
    with suppress(FileNotFoundError):
        return sorted(path for path in parent.iterdir() if is_name(path.name))
    return []


def _each_once(*places: Path) -> Iterator[Path]:
    """The files at and below these places, in their order."""
    seen: set[Path] = set()
    for place in places:
        for path in _below(place):
            if path not in seen:
                seen.add(path)
                yield path


def _below(place: Path) -> Iterator[Path]:
    """The files at and below a place, the newest of those that are numbered first: it stays the longest."""
    try:
        names = sorted(os.listdir(place), reverse=True)  # noqa: PTH208 - tells a file from a folder, too
    except NotADirectoryError:
        yield place
        return
    except FileNotFoundError:
        return
    for name in names:
        if not name.startswith(TEMPORARY):
            yield from _below(place / name)
