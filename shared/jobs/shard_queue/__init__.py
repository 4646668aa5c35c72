"""The shard queue of a running batch: which shards are open, which helper works on which, what helpers have finished.

The process that holds the job's claim is the coordinator. It opens the queue for its attempt, takes shards like its
helpers, and takes over the shards that helpers have lost. The queue only distributes the work: whether a shard is
finished is read from the volume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from shared.jobs import keys
from shared.jobs.capacity import sharing
from shared.jobs.store import Claim
from shared.runtime.redis_scripts import Script

SCRIPTS = Path(__file__).parent
AT_ONCE = 5000  # shards that one call adds: a script's number of arguments has a limit


@dataclass(frozen=True)
class Finished:
    """A shard that a helper has finished in `seconds`, with its counts of classified images and of errors."""

    shard: int
    succeeded: int
    failed: int
    seconds: float = 0.0


@dataclass(frozen=True)
class ShardQueueState:
    """The state of the queue when the coordinator takes its next shard.

    `shard` is the coordinator's next shard, None if none is left to take. `open` shards are not taken, helpers work on
    `out` shards. The helpers have finished `succeeded` and `failed` images in this attempt. `hands_over`: the
    coordinator has no shard, because it leaves its process to a job that is next.
    """

    shard: int | None
    open: int
    out: int
    succeeded: int
    failed: int
    hands_over: bool = False


class ShardQueue:
    """The shard queues of all batches. Each method runs one script; raises `redis.RedisError` if Redis does not answer.

    `claim` is the coordinator's. A call changes nothing if the claim's attempt is over or the job is not running.
    """

    def __init__(
        self,
        redis: Redis,
        lease_seconds: float = 30.0,
        resend_seconds: float = 60.0,
        max_processes_per_key: int = 0,
    ) -> None:
        self._lease_ms = int(lease_seconds * 1000)
        self._resend_ms = int(resend_seconds * 1000)
        common = sharing.source(max_processes_per_key), (SCRIPTS / "common.lua").read_text()
        self._scripts = {
            path.stem: Script(redis, *common, path.read_text(), tables=sharing.TABLES)
            for path in SCRIPTS.glob("*.lua")
            if path.stem != "common"
        }

    def open(self, claim: Claim, shards: Sequence[int]) -> bool:
        """Replace the queue's content with these shards, in this order; returns False if the attempt is over."""
        return all(
            self._run("open", claim, anew=int(start == 0), shards=shards[start : start + AT_ONCE])
            for start in range(0, max(1, len(shards)), AT_ONCE)
        )

    def next_shard(self, claim: Claim, turn_seconds: float | None = None) -> ShardQueueState | None:
        """Take the coordinator's next shard, first those that helpers have lost; None if the attempt is over.

        turn_seconds: the work after which the coordinator leaves its process to a queued job of the same priority that
        is next; to one of a higher priority it leaves it at once. By default it never does.
        """
        reply = self._run("next_shard", claim, turn_ms=-1 if turn_seconds is None else int(turn_seconds * 1000))
        if not reply:
            return None
        shard, left, out, succeeded, failed, hands_over = map(int, reply)
        return ShardQueueState(shard if shard >= 0 else None, left, out, succeeded, failed, bool(hands_over))

    def request_helpers(self, claim: Claim, processes: int) -> int:
        """Return how many helpers to request: one for each shard that is left besides the coordinator's own.

        processes: how many processes are online, the coordinator's included; so many work on the batch at most. A
        request counts until a helper arrives or its message counts as lost. While another batch or an evaluation
        waits, it returns 0.
        """
        return int(self._run("request_helpers", claim, processes=processes, resend_ms=self._resend_ms))

    def arrive(self, claim: Claim, helper: str) -> int | None:
        """Take a helper's first shard, and count one request as answered; None if there is no shard for it."""
        return self._take(claim, helper, None)

    def exchange(self, claim: Claim, helper: str, finished: Finished) -> int | None:
        """Report a shard as finished, and take the next one; None if there is no further shard for this helper.

        A shard whose lease has ended is not counted here: the coordinator counts it. A helper gets no shard while a job
        waits that is next, or if it is to go to `other_batch`.
        """
        return self._take(claim, helper, finished)

    def other_batch(self, claim: Claim) -> str | None:
        """Return the running batch that a helper of this one goes to: of higher priority, or whose API key has less."""
        return self._run("other", claim) or None

    def renew(self, claim: Claim, helper: str, shard: int) -> bool:
        """Renew the helper's lease of its shard; returns False if the lease is lost, or the job is to stop."""
        return bool(self._run("renew", claim, shard=f"{shard}@{helper}", lease_ms=self._lease_ms))

    def release(self, claim: Claim, helper: str, shard: int) -> None:
        """End the helper's lease of its shard at once; the coordinator takes the shard over."""
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
            used_ms=0 if finished is None else int(finished.seconds * 1000),
        )
        return None if shard is None else int(shard)

    def _run(self, script: str, claim: Claim, **arguments: Any) -> Any:
        job_id = claim.job.id
        names = {
            "record": keys.job(job_id),
            **keys.shard_keys(job_id),
            "waiting": keys.WAITING,
            "handover": keys.HANDOVER,
            **keys.sharing_keys(),
        }
        return self._scripts[script](names, token=claim.token, **arguments)
