"""The worker's parts in this process, on a real Redis and an empty volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from shared.jobs import Job, JobStore, Kind
from shared.jobs.files import JobFiles
from shared.jobs.task_queue import TaskQueue, celery_app, connect
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from worker.running.runner import JobHandler, Runner
from worker.running.shutdown import ShutdownRequest


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings of a worker that checks its lease often."""
    return settings.model_copy(update={"heartbeat_seconds": 0.05, "shard_images": 4})


@dataclass(frozen=True)
class Bench:
    """Runs jobs with the handlers of a test."""

    jobs: JobStore
    settings: Settings

    @property
    def files(self) -> JobFiles:
        return JobFiles(Volume(self.settings.volume))

    def submit(self, job: Job) -> None:
        """Write the job to the volume and to Redis."""
        self.files.begin(job)
        self.jobs.create(job)

    def runner(self, handlers: Mapping[Kind, JobHandler], tries: int = 1) -> Runner:
        task_queue = TaskQueue(celery_app(self.settings), connect(self.settings))
        settings = self.settings.model_copy(update={"max_tries": tries})
        return Runner(self.jobs, self.files, task_queue, handlers, settings, ShutdownRequest(), owner="bench")

    def run(self, job: Job, handler: JobHandler) -> Job:
        """Submit the job, run it, and return its record."""
        self.submit(job)
        self.runner({job.kind: handler}).run(job.id)
        return self.jobs.get(job.id)


@pytest.fixture
def bench(jobs: JobStore, settings: Settings) -> Bench:
    """A bench that runs jobs."""
    return Bench(jobs, settings)
