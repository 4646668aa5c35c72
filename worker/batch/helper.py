"""A helper of a batch that another process coordinates: processes shards until the shard queue has none left."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from types import TracebackType

from redis import RedisError

from shared.errors import NotFound
from shared.jobs import Claim, Finished, JobStore, Kind, ShardQueue, State
from shared.registry.classifier import ClassifierCache
from shared.runtime import log_context
from shared.runtime.clock import since_boot
from shared.runtime.redis_faults import explained
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from worker.batch.shard import ShardWork
from worker.running.heartbeat import Heartbeat, LeaseLost, ShutdownRequested
from worker.running.shutdown import ShutdownRequest

log = logging.getLogger(__name__)


class ShardLease(Heartbeat):
    """A helper's lease of the shard that it works on; released if the `with` block ends with an error."""

    def __init__(
        self,
        shard_queue: ShardQueue,
        claim: Claim,
        helper: str,
        shard: int,
        settings: Settings,
        shutdown: ShutdownRequest,
    ) -> None:
        super().__init__(f"job {claim.job.id}, helping", settings, shutdown)
        self._shard_queue = shard_queue
        self._claim = claim
        self._helper = helper
        self.shard = shard

    def exchange(self, finished: Finished) -> bool:
        """Report the shard as finished and lease the next one; return False if none is left."""
        sent_at = since_boot()
        shard = self._shard_queue.exchange(self._claim, self._helper, finished)
        if shard is None:
            return False
        self.shard, self._renewed_at, self._lost = shard, sent_at, False
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if error is not None:  # after the last heartbeat, which would renew the lease
            with suppress(RedisError):  # the lease then expires
                self._shard_queue.release(self._claim, self._helper, self.shard)

    def _renew(self) -> None:
        sent_at, shard = since_boot(), self.shard
        try:
            held = self._shard_queue.renew(self._claim, self._helper, shard)
        except RedisError as error:
            log.warning("job %s: heartbeat failed: %s", self._claim.job.id, explained(error))
            return
        if shard == self.shard:  # else it was exchanged meanwhile
            self._lost = self._lost or not held
            self._renewed_at = max(self._renewed_at, sent_at)


class BatchHelper:
    """Helps with batches by their ids, one at a time. A failure here does not count as a failure of the job."""

    def __init__(
        self,
        jobs: JobStore,
        shard_queue: ShardQueue,
        volume: Volume,
        classifiers: ClassifierCache,
        settings: Settings,
        shutdown: ShutdownRequest,
        helper: str,
    ) -> None:
        self._jobs = jobs
        self._shard_queue = shard_queue
        self._volume = volume
        self._classifiers = classifiers
        self._settings = settings
        self._shutdown = shutdown
        self._helper = helper

    def run(self, job_id: str) -> None:
        """Process shards until none is left, another job waits, or the job stops; a surplus request is a no-op.

        It then goes on with another API key's batch, if that has had less.
        """
        helped: str | None = job_id
        try:
            while helped is not None:
                job = self._jobs.get(helped)
                if job.kind is not Kind.BATCH or job.state is not State.RUNNING:
                    return
                shard = self._shard_queue.arrive(Claim(job), self._helper)
                if shard is not None:
                    with log_context.bound(job_id=job.id, request_id=job.request_id, key=job.key):
                        self._help(Claim(job), shard)
                helped = None if self._shutdown.requested else self._shard_queue.other_batch(Claim(job))
        except NotFound:
            return
        except RedisError as error:
            log.warning("job %s: stopped helping: %s", helped, explained(error))

    def _help(self, claim: Claim, shard: int) -> None:
        job = claim.job
        done = 0
        lease = ShardLease(self._shard_queue, claim, self._helper, shard, self._settings, self._shutdown)
        try:
            with lease, ShardWork(job, self._volume, self._classifiers, self._settings) as work:
                has_shard = True
                while has_shard:
                    started = time.monotonic()
                    header = work.do(lease.shard, lease.check)
                    done += 1
                    seconds = time.monotonic() - started
                    has_shard = lease.exchange(Finished(lease.shard, header.rows, header.errors, seconds))
        except (LeaseLost, ShutdownRequested):
            pass  # other processes continue
        except Exception as error:  # the coordinator gets the same error, and handles it
            log.warning("job %s: shard %d is left to the coordinator: %r", job.id, lease.shard, error)
        log.info("job %s: helped with %d shards", job.id, done)
