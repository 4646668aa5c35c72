"""Batches in the test's process: submitted as the API does it, and processed by a coordinator and helpers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from shared.archives import validate
from shared.jobs import Job, Priority, Progress, ShardQueue
from shared.jobs.specifications import BatchSpecification
from shared.registry.classifier import ClassifierCache
from shared.results.files import ShardFiles
from shared.results.lines import Row, RowError, parsed_errors, parsed_rows
from shared.results.shard import Shard, read_shard
from shared.storage import durable
from tests.support.objects.bench import WorkBench
from tests.support.objects.jobs import a_batch
from worker.batch.helper import BatchHelper
from worker.batch.job import BatchHandler


@dataclass(frozen=True)
class Batches:
    """Runs batches on the model `toy@1`, which the test publishes, with the shards of the settings."""

    bench: WorkBench

    @cached_property
    def classifiers(self) -> ClassifierCache:
        return ClassifierCache(self.bench.registry)

    @cached_property
    def shard_queue(self) -> ShardQueue:
        settings = self.bench.settings
        return ShardQueue(self.bench.redis, settings.lease_seconds, settings.resend_seconds)

    @cached_property
    def handler(self) -> BatchHandler:
        """The handler of batch jobs, which coordinates."""
        bench = self.bench
        return BatchHandler(bench.volume, self.classifiers, self.shard_queue, bench.task_queue, bench.settings)

    def batch_helper(self, helper: str = "a helper") -> BatchHelper:
        """Return a helper."""
        bench = self.bench
        return BatchHelper(
            bench.jobs, self.shard_queue, bench.volume, self.classifiers, bench.settings, bench.shutdown, helper
        )

    def submit(self, archive: bytes, priority: Priority = "batch", **options: Any) -> Job:
        """Submit an archive as the API does, without its message."""
        settings = self.bench.settings
        path = self.bench.volume.incoming / "archive"
        durable.write_bytes(path, archive)
        index = validate(path, settings)
        defaults = {"model": "toy", "version": 1, "top_k": 1, "invert": "never", "error_threshold": 1.0}
        cut = {"shard_images": settings.shard_images, "shard_bytes": settings.shard_bytes}
        specification = BatchSpecification.model_validate(defaults | cut | options)
        progress = Progress(total=len(index), unit="images")
        job = a_batch(specification=specification.model_dump(), progress=progress, priority=priority)
        self.bench.files.begin(job, path, index)
        self.bench.jobs.create(job)
        return job

    def run(self, archive: bytes, **options: Any) -> Job:
        """Submit an archive and run it to its end, without helpers."""
        return self.run_attempt(self.submit(archive, **options))

    def run_attempt(self, job: Job) -> Job:
        """Run an attempt at a queued job."""
        return self.bench.run(job, self.handler)

    def retry(self, job: Job) -> Job:
        """Retry the job as a user does, and run it."""
        self.bench.jobs.retry(job.id)
        return self.run_attempt(self.bench.jobs.get(job.id))

    def files(self, job: Job) -> ShardFiles:
        """Return the files of the job's shards in its present retry."""
        return ShardFiles(self.bench.volume, job.id, job.retries)

    def rows(self, job: Job) -> list[Row]:
        return [row for path in self.files(job).in_order() for row in parsed_rows(read_shard(path).rows)]

    def errors(self, job: Job) -> list[RowError]:
        return [error for path in self.files(job).in_order() for error in parsed_errors(read_shard(path).errors)]

    def finish(self, job: Job, number: int, rows: Sequence[str] = (), errors: Sequence[str] = ()) -> None:
        """Publish a shard's results, as an earlier attempt would."""
        self.files(job).prepare()
        self.files(job).publish(number, Shard.of(rows, errors, 9))


def paths(lines: Sequence[Row | RowError]) -> list[str]:
    return [line["path"] for line in lines]
