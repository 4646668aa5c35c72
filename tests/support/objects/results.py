"""Rows and errors as batches write them, and finished shards that hold them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from shared.jobs import Job
from shared.results.files import ShardFiles
from shared.results.shard import Shard
from shared.storage.volume import Volume

Line = dict[str, Any]


def row(path: str, *best: tuple[str, float]) -> Line:
    """Return a row with these classes and their probabilities, the best first."""
    top = [{"label": label, "probability": probability} for label, probability in best]
    return {"path": path, "label": best[0][0], "confidence": best[0][1], "top": top}


def error(path: str) -> Line:
    return {"path": path, "code": "not_an_image", "detail": "none"}


def shard_of(rows: Sequence[Line], errors: Sequence[Line] = ()) -> Shard:
    """Return a shard with these rows and errors."""
    longest = max((len(row["path"]) for row in rows), default=0)
    return Shard.of(lines(rows), lines(errors), longest)


def lines(values: Sequence[Line]) -> list[str]:
    return [json.dumps(value, ensure_ascii=False) + "\n" for value in values]


def finish(volume: Volume, job: Job, number: int, rows: Sequence[Line], errors: Sequence[Line] = ()) -> None:
    """Publish the results of a shard of the job."""
    volume.job(job.id).mkdir(parents=True, exist_ok=True)
    files = ShardFiles(volume, job.id, job.retries)
    files.prepare()
    files.publish(number, shard_of(rows, errors))
