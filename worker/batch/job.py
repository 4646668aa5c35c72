"""The handler of batch jobs: this process and its helpers classify an archive's shards, then it counts the results."""

from __future__ import annotations

import time

from shared.jobs import Claim, Job, Progress, ShardQueue, State
from shared.jobs.outcome import BatchResult
from shared.jobs.specifications import BatchSpecification
from shared.jobs.task_queue import TaskQueue
from shared.registry.classifier import ClassifierCache
from shared.results.files import Survey
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from worker.batch.coordinator import Coordinator
from worker.batch.shard import ShardWork
from worker.running.lease import Lease
from worker.running.runner import JobOutcome


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
        started = time.monotonic()
        with ShardWork(job, self._volume, self._classifiers, self._settings) as work:
            work.files.prepare()
            coordinator = Coordinator(Claim(job), work, self._shard_queue, self._task_queue, lease)
            first = survey = work.files.survey(len(work), lease.check)
            while survey.missing:
                coordinator.work_through(survey, before=first.succeeded + first.failed)
                survey = work.files.survey(len(work), lease.check)
            work.files.settle()
        fresh = survey.succeeded + survey.failed - first.succeeded - first.failed - first.kept
        return _outcome(job, survey, fresh / (time.monotonic() - started), work)


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
