"""The handler of batch jobs: this process and its helpers classify an archive's shards, then it counts the results."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import cast

from shared.errors import GlassboxError, StorageFull, Unavailable
from shared.jobs import Claim, Job, Progress, ShardQueue, State
from shared.jobs.outcome import BatchResult
from shared.jobs.specifications import BatchSpecification
from shared.jobs.task_queue import TaskQueue
from shared.registry.classifier import ClassifierCache
from shared.results.files import Survey
from shared.runtime.settings import Settings
from shared.storage.sinks.opening import open_sink
from shared.storage.sinks.sink import Sink, claim
from shared.storage.volume import Volume
from worker.batch.coordinator import Coordinator
from worker.batch.export import Export, delete_manifest
from worker.batch.shard import ShardWork
from worker.running.lease import Cancelled, Lease, TimedOut
from worker.running.runner import JobOutcome

log = logging.getLogger(__name__)


class BatchHandler:
    """Handles jobs of the kind `batch`."""

    def __init__(
        self,
        volume: Volume,
        classifiers: ClassifierCache,
        shard_queue: ShardQueue,
        task_queue: TaskQueue,
        settings: Settings,
    ) -> None:
        self._volume = volume
        self._classifiers = classifiers
        self._shard_queue = shard_queue
        self._task_queue = task_queue
        self._settings = settings

    def __call__(self, job: Job, lease: Lease) -> JobOutcome:
        """Classify the shards without results on the volume, which no earlier attempt finished; return the outcome."""
        sink = self._sink(job)
        started = time.monotonic()
        with ShardWork(job, self._volume, self._classifiers, self._settings) as work:
            work.files.prepare()
            first = survey = work.files.survey(len(work), lease.check)
            start_seconds = time.monotonic() - started
            coordinator = Coordinator(Claim(job), work, self._shard_queue, self._task_queue, lease, start_seconds)
            while survey.missing:
                coordinator.work_through(survey, before=first.succeeded + first.failed)
                survey = work.files.survey(len(work), lease.check)
            work.files.settle()
            fresh = survey.succeeded + survey.failed - first.succeeded - first.failed - first.kept
            outcome = _outcome(job, survey, fresh / (time.monotonic() - started), work)
            if sink is None:
                return outcome
            return self._exported(outcome, job, sink, work.files.in_order(), lease)

    def _sink(self, job: Job) -> Sink | None:
        """Return the job's sink, after a check that it is still there and the job's own; None if it has none.

        The results of a retry may differ, so the manifest of an earlier run is deleted before it begins. If the sink is
        unavailable now, the job begins: it may be available when the results are. Raises what `claim` raises.
        """
        url = BatchSpecification.of(job.specification).sink
        if url is None:
            return None
        sink = open_sink(url, self._settings)
        try:
            claim(sink, job.id)
            if job.retries:
                delete_manifest(sink)
        except (Unavailable, StorageFull) as error:
            log.warning("job %s: %s", job.id, error.detail)
        return sink

    def _exported(self, outcome: JobOutcome, job: Job, sink: Sink, shards: list[Path], lease: Lease) -> JobOutcome:
        """Write the results to the sink, unless the job has failed; return the outcome with what was written.

        Raises `Unavailable` if the job is to be tried again later.
        """
        export = Export(job, sink, lease.check)
        end = JobOutcome(outcome.state, error=outcome.error)
        try:
            if outcome.state is not State.FAILED:
                export.run(shards, lease.confirm)
        except Cancelled:
            end = JobOutcome(State.CANCELLED)
        except TimedOut:
            end = JobOutcome.timed_out(job)
        except GlassboxError as error:
            if not error.code.startswith("sink_"):
                raise
            helps = isinstance(error, Unavailable | StorageFull)
            if helps and job.failures + 1 < self._settings.max_tries:
                raise Unavailable(error.code, error.detail) from error
            detail = f"{error.detail.rstrip('.')}. The rows are at /v1/jobs/{job.id}/results, and a retry of the job"
            end = JobOutcome.failed(error.code, f"{detail} writes them to the sink")
        result = cast("BatchResult", {**cast("BatchResult", outcome.result), "sink": export.result})
        return replace(outcome, state=end.state, error=end.error, result=result)


def _outcome(job: Job, survey: Survey, images_per_second: float, work: ShardWork) -> JobOutcome:
    specification = BatchSpecification.of(job.specification)
    succeeded, failed = survey.succeeded, survey.failed
    total = succeeded + failed
    result: BatchResult = {
        "model": specification.model,
        "version": specification.version,
        "total": total,
        "succeeded": succeeded,
        "failed": failed,
        "passed_over": specification.passed_over,
        "skipped": work.index.skipped,
        "almost_black": survey.almost_black,
        "images_per_second": round(images_per_second, 1),
    }
    if work.compares:
        result["look_inverted"] = survey.look_inverted
    progress = Progress(done=total, total=total, unit="images", eta_seconds=0.0)
    if failed == 0:
        return JobOutcome(State.SUCCEEDED, progress, result=result)
    if succeeded and failed <= specification.error_threshold * total:
        return JobOutcome(State.COMPLETED_WITH_ERRORS, progress, result=result)
    detail = f"{failed} of {total} files could not be classified; /v1/jobs/{job.id}/errors names each"
    return JobOutcome(State.FAILED, progress, result=result, error={"code": "too_many_errors", "detail": detail})
