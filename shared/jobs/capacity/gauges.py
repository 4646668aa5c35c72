"""The free space of Redis and of the volume, and the faults if one of them is full."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock, Thread

from redis import Redis, RedisError

from shared.errors import StorageFull
from shared.jobs import keys
from shared.runtime import redis_faults
from shared.runtime.redis_faults import RedisFault, fault_of
from shared.runtime.sizes import in_words
from shared.storage import durable
from shared.storage.reserve import SIZES
from shared.storage.volume import Volume

LEAST_SPACE = SIZES[0]  # bytes; with less free space, uploads and jobs are rejected, so that deletions still work
LEAST_MEMORY = 1024 * 1024  # bytes of Redis's memory that new jobs never use
MEMORY_SHARE = 50  # of Redis's memory, one part in so many is never used by new jobs
STATVFS_SECONDS = 2.0


@dataclass(frozen=True)
class RedisMemory:
    """The bytes that count towards Redis's `maxmemory`, and that limit; the limit is None if there is none."""

    used: int
    limit: int | None

    @property
    def reserve(self) -> int:
        """The bytes that new jobs must leave free for the leases, logs and ends of the jobs that exist."""
        return 0 if self.limit is None else max(LEAST_MEMORY, self.limit // MEMORY_SHARE)

    @property
    def full(self) -> bool:
        """Whether less memory is free than the reserve."""
        return self.limit is not None and self.limit - self.used < self.reserve


@dataclass(frozen=True)
class Space:
    """The bytes and inodes of the volume's file system; `inodes` is 0 if the file system does not limit them."""

    free: int
    total: int
    free_inodes: int
    inodes: int


@dataclass(frozen=True)
class VolumeFault:
    """Why the volume accepts no upload and no job, with the remedy."""

    code: str
    detail: str


def redis_memory(redis: Redis) -> RedisMemory:
    """Read the memory use of Redis; raises `redis.RedisError`."""
    info = redis.info("memory")
    not_counted = int(info.get("mem_not_counted_for_evict", 0))
    return RedisMemory(int(info["used_memory"]) - not_counted, int(info.get("maxmemory", 0)) or None)


def new_job_fault(redis: Redis) -> RedisFault | None:
    """Return why Redis accepts no new job now; None if it accepts one.

    It accepts changes for the jobs that exist for longer: see `write_fault`.
    """
    if fault := write_fault(redis):
        return fault
    try:
        return _full(redis) if redis_memory(redis).full else None
    except RedisError:  # the server does not report its memory, but accepts changes
        return None


def write_fault(redis: Redis) -> RedisFault | None:
    """Return why Redis accepts no change now; None if it accepts changes."""
    try:
        redis.setrange(keys.PROBE, 0, "")  # changes nothing, but fails if Redis accepts no changes
    except RedisError as error:
        fault = fault_of(error)
        if fault is redis_faults.FULL:
            return _full(redis)
        return replace(fault, detail=f"{fault.detail} ({error})")
    return None


def _full(redis: Redis) -> RedisFault:
    fault = redis_faults.FULL
    try:
        memory = redis_memory(redis)
    except RedisError:
        return fault
    if memory.limit is None:
        return fault
    amount = (
        f"Redis is full: {in_words(memory.used)} of {in_words(memory.limit)} used;"
        f" {in_words(memory.reserve)} are kept for the jobs that exist"
    )
    return replace(fault, detail=fault.detail.replace("Redis is full", amount, 1))


class VolumeGauge:
    """A reader of the volume's free space. A file system that hangs blocks a caller for two seconds at most."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._lock = Lock()
        self._pending: Thread | None = None

    def space(self) -> Space:
        """Return the current space; raises OSError, which is `TimeoutError` if the file system does not answer."""
        found: list[Space | OSError] = []

        def read() -> None:
            try:
                found.append(_space(self._volume.root))
            except OSError as error:
                found.append(error)

        with self._lock:
            if self._pending is not None and self._pending.is_alive():
                raise TimeoutError("the file system of the volume does not answer")
            self._pending = Thread(target=read, name="statvfs", daemon=True)
            self._pending.start()
            self._pending.join(STATVFS_SECONDS)
        if not found:
            raise TimeoutError("the file system of the volume does not answer")
        if isinstance(found[0], OSError):
            raise found[0]
        return found[0]

    def fault(self) -> VolumeFault | None:
        """Return why the volume accepts no upload and no job; None if it accepts them."""
        try:
            space = self.space()
            durable.make_folder(self._volume.incoming)
        except StorageFull:
            return volume_full("")
        except OSError as error:
            return VolumeFault("volume_unavailable", f"the volume cannot be used: {error}")
        if not os.access(self._volume.incoming, os.W_OK):
            return VolumeFault("volume_not_writable", f"the volume is not writable: {self._volume.incoming}")
        return full_volume(space)


def full_volume(space: Space) -> VolumeFault | None:
    """Return the fault of a full volume; None if it is not full."""
    if space.free < LEAST_SPACE:
        return volume_full(
            f": {in_words(space.free)} of {in_words(space.total)} free;"
            f" the reserve of {in_words(LEAST_SPACE)} is for deletions"
        )
    if space.inodes and not space.free_inodes:
        return volume_full(f": none of its {space.inodes:,} inodes is free")
    return None


def volume_full(amount: str) -> VolumeFault:
    """Return the fault of a full volume; `amount` says how full it is."""
    remedy = "delete versions, data sets or ended jobs, or make the volume larger"
    return VolumeFault("volume_full", f"the volume is full{amount}; {remedy}")


def room(volume: Volume) -> int:
    """Return the bytes that are free for a job on the volume: 0 if not even a small file can be written there."""
    probe = durable.temporary_beside(volume.reserve)
    try:
        free = _space(volume.root).free
        with durable.fsynced(probe) as file:  # a quota may be exhausted although the file system has space
            file.write(os.urandom(LEAST_SPACE))
    except (OSError, StorageFull):
        return 0
    else:
        return free
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)


def _space(root: Path) -> Space:
    while not root.exists() and root != root.parent:
        root = root.parent
    found = os.statvfs(root)
    return Space(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, found.f_favail, found.f_files)
