"""The indexes of all jobs by kind, model and label in Redis, for lists.

The scripts that create or delete a job's record change the indexes in the same step. Jobs that an older version created
are added by maintenance; until then the indexes have fewer entries than there are jobs, and lists read the records.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from redis import Redis

from shared.jobs import keys
from shared.jobs.record import Kind
from shared.jobs.states import State
from shared.json_types import JsonObject
from shared.runtime.redis_scripts import Script

FOLDER = Path(__file__).parent
SOURCE = (FOLDER / "entries.lua").read_text()
PAGE = 1000  # entries that are read at once
DIGEST_BYTES = 9  # of a label: 12 characters


def label_text(name: str, value: str) -> str:
    """Return a label as filters name it."""
    return f"{name}:{value}"


def labels_of(request: JsonObject) -> list[str]:
    """Return the labels of a job's request, as filters name them."""
    labels = request.get("labels")
    if not isinstance(labels, dict):
        return []
    return [label_text(name, value) for name, value in labels.items() if isinstance(value, str)]


def digests_of(request: JsonObject) -> str:
    """Return the digests of a job's labels, separated by spaces, as the scripts take them."""
    return " ".join(map(_digest, labels_of(request)))


@dataclass(frozen=True)
class JobFilter:
    """Selects jobs. None selects all; `label` is a name, a colon and a value."""

    state: State | None = None
    kind: Kind | None = None
    model: str | None = None
    label: str | None = None

    @property
    def needs_index(self) -> bool:
        """Whether it selects by more than the state."""
        return not self.kind is self.model is self.label is None


EVERY_JOB = JobFilter()


class JobIndex:
    """The reader of the indexes. Raises `redis.RedisError` if Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        tables = {"in_state": tuple(State), "of_kind": tuple(Kind)}
        self._select = Script(redis, (FOLDER / "select.lua").read_text(), tables=tables)

    def select(self, wanted: JobFilter, before: str | None, most: int) -> tuple[list[str], str] | None:
        """Return the ids of such jobs among the next `most`, newest first, and the id to go on before; "" at the end.

        Returns None if the indexes lack jobs. The filter must need an index.
        """
        if wanted.model == "":
            return [], ""
        reply = self._select(
            {
                "jobs": keys.JOBS,
                "in_state": {state: keys.in_state(state) for state in State},
                "of_kind": {kind: keys.of_kind(kind) for kind in Kind},
                "by_model": keys.BY_MODEL,
                "by_label": keys.BY_LABEL,
            },
            state=wanted.state or "",
            kind=wanted.kind or "",
            model=wanted.model or "",
            label="" if wanted.label is None else _digest(wanted.label),
            before=before or "",
            most=most,
        )
        return None if reply is None else (reply[0], reply[1])

    def is_complete(self) -> bool:
        """Return whether the indexes have as many entries as there are jobs."""
        with self._redis.pipeline() as pipe:
            pipe.zcard(keys.JOBS)
            for kind in Kind:
                pipe.zcard(keys.of_kind(kind))
            jobs, *indexed = pipe.execute()
        return bool(jobs == sum(indexed))

    def lacks(self, ids: list[str]) -> list[str]:
        """Return those of these jobs that have no entry; jobs of kinds that only a newer version has are omitted."""
        with self._redis.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.hget(keys.job(job_id), "kind")
            known = [(job_id, kind) for job_id, kind in zip(ids, pipe.execute(), strict=True) if kind in set(Kind)]
            for job_id, kind in known:
                pipe.zscore(keys.of_kind(kind), job_id)
            return [job_id for (job_id, _), score in zip(known, pipe.execute(), strict=True) if score is None]

    def remove_remnants(self) -> int:
        """Remove the entries of jobs without a record, which an older version has deleted; returns how many."""
        indexes = (*map(keys.of_kind, Kind), keys.BY_MODEL, keys.BY_LABEL)
        return sum(self._remove_remnants(index) for index in indexes)

    def _remove_remnants(self, index: str) -> int:
        count = 0
        for page in self._entries(index):
            with self._redis.pipeline(transaction=False) as pipe:
                for entry in page:
                    pipe.exists(keys.job(entry.rpartition(":")[2]))
                remnants = [entry for entry, exists in zip(page, pipe.execute(), strict=True) if not exists]
            if remnants:
                count += int(self._redis.zrem(index, *remnants))
        return count

    def _entries(self, index: str) -> Iterator[list[str]]:
        after = "-"
        while page := cast("list[str]", self._redis.zrangebylex(index, after, "+", start=0, num=PAGE)):
            yield page
            after = f"({page[-1]}"


def _digest(text: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:DIGEST_BYTES]).decode()
