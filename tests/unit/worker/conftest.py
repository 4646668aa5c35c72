"""The worker's parts in this process, on a real Redis and an empty volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from shared.jobs import Job, JobStore, Kind
from shared.settings import Settings
from worker.runner import Runner, Step


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A worker that looks at its lease often."""
    return settings.model_copy(update={"heartbeat_seconds": 0.05, "shard_images": 4})


@dataclass(frozen=True)
class Bench:
    """Runs jobs with the steps that a test gives."""

    jobs: JobStore
    settings: Settings

    def runner(self, steps: Mapping[Kind, Step]) -> Runner:
        return Runner(self.jobs, steps, self.settings, owner="bench")

    def run(self, job: Job, step: Step) -> Job:
        """Write the job down, run it, and give it as it stands then."""
        self.jobs.create(job)
        self.runner({job.kind: step}).run(job.id)
        return self.jobs.get(job.id)


@pytest.fixture
def bench(jobs: JobStore, settings: Settings) -> Bench:
    """Where jobs are run."""
    return Bench(jobs, settings)
