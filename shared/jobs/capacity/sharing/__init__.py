"""The order in which queued jobs start: by priority, then fair shares between API keys (docs/adr/0049).

A message of the task queue only wakes a process; this line decides which job the process runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from redis import Redis

from shared.jobs import keys
from shared.jobs.capacity.sharing.places import Queued
from shared.jobs.record import Kind
from shared.runtime.redis_scripts import Script

HERE = Path(__file__).parent
WITHOUT_KEY = "_"
SHARES = (HERE / "shares.lua").read_text()
TABLES = {"lines": tuple(Kind), "shares": tuple(Kind)}


def source(max_processes: int = 0) -> str:
    """Return the part of the scripts that decides which job is next; `max_processes`: of one API key, 0: unlimited."""
    prefixes = {"JOB": keys.job(""), "OPEN_SHARDS": keys.open_shards(""), "TAKEN_SHARDS": keys.taken_shards("")}
    constants = [f"local {name}_PREFIX = '{prefix}';" for name, prefix in prefixes.items()]
    return f"{' '.join(constants)} local MOST_PROCESSES = {max_processes}\n{SHARES}"


class Line:
    """The queued jobs in the order in which they start. Raises `redis.RedisError` if Redis does not answer.

    max_processes: how many processes of one queue work for one API key at most; 0: unlimited.
    """

    def __init__(self, redis: Redis, max_processes: int = 0) -> None:
        self._next = Script(redis, source(max_processes), (HERE / "next.lua").read_text(), tables=TABLES)
        self._snapshot = Script(redis, source(max_processes), (HERE / "snapshot.lua").read_text(), tables=TABLES)
        self._count = Script(redis, source(), (HERE / "count.lua").read_text(), tables=TABLES)

    def next(self, named: str, kind: Kind | None = None) -> str | None:
        """Return the job that a process runs next whose message names a job; None if none in its queue may start.

        kind: one of the queue; by default, that of the named job.
        """
        names = {"record": keys.job(named), **keys.sharing_keys()}
        return cast("str | None", self._next(names, id=named, kind="" if kind is None else kind))

    def snapshot(self, kind: Kind, most: int) -> tuple[list[Queued], dict[str, float], list[str]]:
        """Return the line of this kind's queue, the seconds that its API keys have used, and the running jobs' ids.

        Each list has at most `most` jobs; the line is sorted by priority, API key and use.
        """
        entries, uses, running = self._snapshot(keys.sharing_keys(), kind=kind, most=most)
        used = {owner: int(ms) / 1000 for owner, ms in zip(uses[::2], uses[1::2], strict=True)}
        return [Queued.parse(entry) for entry in entries], used, running

    def count(self, owner: str) -> int:
        """Return how many jobs of an API key are running or in the line; `owner` is `WITHOUT_KEY` without a key."""
        return int(self._count(keys.sharing_keys(), owner=owner))
