"""Finds the jobs whose pool process the kernel has killed for lack of memory, and notes it in their records.

The kernel counts its kills in the worker's cgroup. If the count has risen, a claimed job whose process on this host is
gone was the victim. If the whole container is killed, nothing is noted: its counters are lost with it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from shared.jobs import JobStore
from shared.jobs.capacity.memory_remedies import REMEDIES
from shared.runtime.memory.limit import MemoryGroup
from shared.runtime.sizes import in_words

log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0  # how long to look for the victim after a kill: a process may take a while to end


def is_gone(pid: int) -> bool:
    """Return whether no process has this id, or the process is a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in {"Z", "X"}


class MemoryKills:
    """Compares the kernel's count of kills with the one seen before."""

    def __init__(
        self, jobs: JobStore, host: str, memory: MemoryGroup, is_gone: Callable[[int], bool] = is_gone
    ) -> None:
        self._jobs = jobs
        self._host = host
        self._memory = memory
        self._is_gone = is_gone
        self._seen = memory.kills() or 0
        self._look_until = 0.0

    def note(self) -> None:
        """Note each victim in the record of its job. Raises `redis.RedisError`; the next call then tries again."""
        kills = self._memory.kills() or 0
        if kills > self._seen:
            log.warning("the kernel has killed %d processes: out of memory%s", kills - self._seen, self._limit())
            self._look_until = time.monotonic() + LOOK_SECONDS
        self._seen = kills
        if time.monotonic() > self._look_until:
            return
        for job_id, owner in self._jobs.claimed_by(self._host).items():
            if self._is_gone(int(owner.rpartition(":")[2])):
                job = self._jobs.get(job_id)
                detail = f"its process was killed for memory{self._limit()}"
                if self._jobs.note_memory_kill(job_id, owner, detail, REMEDIES[job.kind]):
                    log.warning("job %s: %s", job_id, detail)

    def _limit(self) -> str:
        limit = self._memory.limit
        return " (the machine's memory is used up)" if limit is None else f" (limit {in_words(limit)})"
