"""The ledger of a running batch's shards: which are open, which are out with which helper, what helpers have finished.

The process that holds the job leads it: it opens the ledger for its attempt, takes shards like its helpers, and takes
over what a helper has lost. The ledger shares out the work, no more: whether a shard is finished the volume says.
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
AT_ONCE = 5000  # shards that one call writes down: a script's arguments have a limit


@dataclass(frozen=True)
class Finished:
    """A shard that a helper has finished: how many of its images have a row, and how many an error."""

    shard: int
    succeeded: int
    failed: int


@dataclass(frozen=True)
class ShardQueueState:
    """What the lead learns when it asks for work.

    `shard` is the next one to do, None where none is left to take. `open` shards are untaken, `out` are with helpers;
    the helpers have finished `succeeded` and `failed` images under this attempt.
    """

    shard: int | None
    open: int
    out: int
    succeeded: int
    failed: int


class ShardQueue:
    """The ledgers of all batches. Each step is one script; raises `redis.RedisError` where Redis does not answer.

    A `claim` is the lead's: what is asked under an attempt that is over, or of a job that is not running, is refused.
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
        """Write down anew which shards are to be done, in this order; False where the attempt is over."""
        return all(
            self._run("open", claim, anew=int(start == 0), shards=shards[start : start + AT_ONCE])
            for start in range(0, max(1, len(shards)), AT_ONCE)
        )

    def next_shard(self, claim: Claim) -> ShardQueueState | None:
        """The lead's next shard: first what a helper has lost. None where the ledger is not this attempt's."""
        answer = self._run("next_shard", claim)
        if not answer:
            return None
        shard, *counts = map(int, answer)
        return ShardQueueState(shard if shard >= 0 else None, *counts)

    def request_helpers(self, claim: Claim, processes: int) -> int:
        """How many helpers to send for, while the lead works on a shard of its own: one for each other one left.

        All processes are at most so many, the lead's among them. An invitation counts until a helper comes or its
        message is taken for lost; there is none while another batch waits.
        """
        return int(self._run("request_helpers", claim, processes=processes, resend_ms=self._resend_ms))

    def arrive(self, claim: Claim, helper: str) -> int | None:
        """A helper's first shard, for which it is taken off the invitations."""
        return self._take(claim, helper, None)

    def exchange(self, claim: Claim, helper: str, finished: Finished) -> int | None:
        """Report a shard as finished, and take the next one; None where there is none for this helper any more.

        A shard whose lease has ended is not counted: the lead counts it. While another batch waits, helpers get none.
        """
        return self._take(claim, helper, finished)

    def renew(self, claim: Claim, helper: str, shard: int) -> bool:
        """Prolong the helper's lease of its shard; False where it is lost, or the job is to stop."""
        return bool(self._run("renew", claim, shard=f"{shard}@{helper}", lease_ms=self._lease_ms))

    def release(self, claim: Claim, helper: str, shard: int) -> None:
        """Leave the shard to the lead, now."""
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
