"""The queue of a running batch's shards: which are open, which helper has taken which, and what helpers have finished.

The process that holds the job coordinates it: it opens the queue for its attempt, takes shards like its helpers, and
takes the shards whose lease has expired. The queue distributes the work; the volume has which shards are finished.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from shared.jobs import keys
from shared.jobs.store import Claim
from shared.runtime.redis_scripts import Script

SCRIPTS = Path(__file__).parent / "scripts" / "shard_queue"
AT_ONCE = 5000  # shards in one call: the number of a script's arguments is limited


@dataclass(frozen=True)
class Finished:
    """A shard that a helper has finished: how many of its images have a row, and how many an error."""

    shard: int
    succeeded: int
    failed: int


@dataclass(frozen=True)
class ShardQueueState:
    """The coordinator's next `shard`, None if none is left, and how many shards are `open`, and `out` at helpers.

    In this attempt the helpers have finished `succeeded` images with a row, and `failed` with an error.
    """

    shard: int | None
    open: int
    out: int
    succeeded: int
    failed: int


class ShardQueue:
    """The shard queues of all batches. Each method is one script. Raises `redis.RedisError` if Redis does not answer.

    A `claim` is the coordinator's. A call under an ended attempt, or for a job that is not running, changes nothing.
    """

    def __init__(self, redis: Redis, lease_seconds: float = 30.0, resend_seconds: float = 60.0) -> None:
        self._lease_ms = int(lease_seconds * 1000)
        self._resend_ms = int(resend_seconds * 1000)
        common = (SCRIPTS / "common.lua").read_text()
        self._scripts = {
            path.stem: Script(redis, common, path.read_text())
            for path in SCRIPTS.glob("*.lua")
            if path.stem != "common"
        }

    def open(self, claim: Claim, shards: Sequence[int]) -> bool:
        """Replace the queue by these shards, in this order; False if the attempt is over."""
        return all(
            self._run("open", claim, anew=int(start == 0), shards=shards[start : start + AT_ONCE])
            for start in range(0, max(1, len(shards)), AT_ONCE)
        )

    def next_shard(self, claim: Claim) -> ShardQueueState | None:
        """The coordinator's next shard: first those that helpers have lost. None if the queue is not this attempt's."""
        answer = self._run("next_shard", claim)
        if not answer:
            return None
        shard, *counts = map(int, answer)
        return ShardQueueState(shard if shard >= 0 else None, *counts)

    def request_helpers(self, claim: Claim, processes: int) -> int:
        """The number of helpers to request: one for each open shard, while the coordinator works on one itself.

        processes: the processes that may work on the batch, the coordinator included. A request counts until a helper
        arrives or its message counts as lost. It is 0 while another batch waits.
        """
        return int(self._run("request_helpers", claim, processes=processes, resend_ms=self._resend_ms))

    def arrive(self, claim: Claim, helper: str) -> int | None:
        """Take a helper's first shard, and count its request as answered."""
        return self._take(claim, helper, None)

    def exchange(self, claim: Claim, helper: str, finished: Finished) -> int | None:
        """Report a shard as finished, and take the next one; None if there is none for this helper.

        A shard whose lease has expired is counted by the coordinator. While another batch waits, helpers get none.
        """
        return self._take(claim, helper, finished)

    def renew(self, claim: Claim, helper: str, shard: int) -> bool:
        """Renew the helper's lease of its shard; False if it is lost, or if the job is to stop."""
        return bool(self._run("renew", claim, shard=f"{shard}@{helper}", lease_ms=self._lease_ms))

    def release(self, claim: Claim, helper: str, shard: int) -> None:
        """Return the shard to the coordinator now."""
        self._run("release", claim, shard=f"{shard}@{helper}")

    def _take(self, claim: Claim, helper: str, finished: Finished | None) -> int | None:
        shard = self._run(
            "take",
            claim,
            helper=helper,
            lease_ms=self._lease_ms,
            finished="" if finished is None else f"{finished.shard}@{helper}",
            succeeded=0 if finished is None else finished.succeeded,
            failed=0 if finished is None else finished.failed,
        )
        return None if shard is None else int(shard)

    def _run(self, script: str, claim: Claim, **arguments: Any) -> Any:
        job_id = claim.job.id
        names = {"record": keys.job(job_id), **keys.shard_keys(job_id), "waiting": keys.WAITING}
        return self._scripts[script](names, token=claim.token, **arguments)
