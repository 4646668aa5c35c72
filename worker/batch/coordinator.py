"""The coordinator of a batch: processes shards like its helpers, requests helpers, and processes what they leave."""

from __future__ import annotations

import logging
import time

from kombu.exceptions import OperationalError
from redis import RedisError

from shared.jobs import Claim, Kind, Progress, ShardQueue, ShardQueueState
from shared.jobs.task_queue import TaskQueue
from shared.results.files import Survey
from shared.runtime.redis_faults import explained
from worker.batch.shard import ShardWork
from worker.running.lease import HandsOver, Lease
from worker.running.runner import retry_until_lease_lost

log = logging.getLogger(__name__)

REQUEST_SECONDS = 0.5  # between two checks for whether helpers are needed
TURN_SECONDS = 2.0  # of work, after which it leaves its process to a batch of the same priority that is next
TURN_OF_START = 20  # but not before it has worked so many times as long as its start took
SHORTEST_WAIT, LONGEST_WAIT = 0.005, 0.25  # seconds between two queries of the shard queue while only helpers work


class Coordinator:
    """Processes the shards of one attempt at a batch, together with any helpers."""

    def __init__(
        self,
        claim: Claim,
        work: ShardWork,
        shard_queue: ShardQueue,
        task_queue: TaskQueue,
        lease: Lease,
        start_seconds: float = 0.0,
    ) -> None:
        self._start_seconds = start_seconds
        self._turn_seconds: float | None = None  # set after the first shard: each attempt makes progress
        self._claim = claim
        self._work = work
        self._shard_queue = shard_queue
        self._task_queue = task_queue
        self._lease = lease
        self._started = time.monotonic()
        self._next_request = self._started

    def work_through(self, survey: Survey, before: int) -> None:
        """Process the missing shards; return when no process works on a shard.

        The caller then surveys the volume to find out whether all shards are done.

        before: the number of images that were done when the attempt began. Raises what `Lease.check` raises, and
        `HandsOver` if another job is next.
        """
        if not retry_until_lease_lost(lambda: self._shard_queue.open(self._claim, survey.missing), self._lease):
            self._lease.confirm()
        done = survey.succeeded + survey.failed  # images done by this process, and before
        wait = SHORTEST_WAIT
        while True:
            queue_state = retry_until_lease_lost(self._next_shard, self._lease)
            if queue_state is None:  # `confirm` raises if the attempt is over; otherwise Redis has lost the shard queue
                self._lease.confirm()
                return
            self._report(done + queue_state.succeeded + queue_state.failed, before)
            if queue_state.hands_over:
                raise HandsOver
            if queue_state.shard is not None:
                self._request_helpers(queue_state)
                header = self._work.do(queue_state.shard, self._lease.check)
                done += header.rows + header.errors
                wait = SHORTEST_WAIT
                self._turn_seconds = max(TURN_SECONDS, TURN_OF_START * self._start_seconds)
            elif queue_state.out:
                time.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)
            else:
                return

    def _next_shard(self) -> ShardQueueState | None:
        self._lease.check()
        return self._shard_queue.next_shard(self._claim, self._turn_seconds)

    def _report(self, done: int, before: int) -> None:
        total = len(self._work.index)
        seconds = time.monotonic() - self._started
        left = None  # no rate is known yet
        if done > before:
            left = round(self._claim.slowdown(seconds) * seconds * (total - done) / (done - before), 1)
        self._lease.reach(done)
        self._lease.report(Progress(done=done, total=total, unit="images", eta_seconds=left))

    def _request_helpers(self, queue_state: ShardQueueState) -> None:
        """Request helpers, unless messages wait in the queue: then no process is free to help."""
        now = time.monotonic()
        if not queue_state.open or now < self._next_request:
            return
        self._next_request = now + REQUEST_SECONDS
        try:
            if self._task_queue.waiting(Kind.BATCH):
                return
            processes = self._task_queue.processes_online(Kind.BATCH)
            for _ in range(self._shard_queue.request_helpers(self._claim, processes)):
                self._task_queue.request_helper(self._claim.job.id)
        except (RedisError, OperationalError) as error:  # the coordinator continues alone
            log.warning("job %s: could not request helpers: %s", self._claim.job.id, explained(error))
