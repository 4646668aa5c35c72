"""A worker's parts in the test's process: the real runner runs jobs, with real or fake handlers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from redis import Redis

from shared.datasets import DatasetStore, Manifest
from shared.datasets.content import Content, Split
from shared.jobs import Job, JobStore, Kind, Progress, keys
from shared.jobs.files import JobFiles
from shared.jobs.specifications import TrainingSpecification
from shared.jobs.task_queue import TaskQueue, celery_app, connect
from shared.registry import Registry
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.support.data.npz import easy_arrays
from tests.support.objects.jobs import a_training
from tests.support.objects.models import CLASSES, SIDE, tiny_configuration
from worker.running.runner import JobHandler, Runner
from worker.running.shutdown import ShutdownRequest
from worker.training.job import TrainingHandler

ARRAYS = easy_arrays(train=300, test=60)


@dataclass(frozen=True)
class WorkBench:
    """Runs jobs on the Redis and the volume of `settings`. Each process needs its own: connections are not shared."""

    settings: Settings
    shutdown: ShutdownRequest = field(default_factory=ShutdownRequest)

    @cached_property
    def redis(self) -> Redis:
        return connect(self.settings)

    @cached_property
    def jobs(self) -> JobStore:
        return JobStore(
            self.redis, self.settings.lease_seconds, self.settings.resend_seconds, self.settings.max_crashes
        )

    @property
    def volume(self) -> Volume:
        return Volume(self.settings.volume)

    @property
    def files(self) -> JobFiles:
        return JobFiles(self.volume)

    @property
    def registry(self) -> Registry:
        return Registry(self.volume)

    @cached_property
    def task_queue(self) -> TaskQueue:
        return TaskQueue(celery_app(self.settings), self.redis)

    def runner(self, handlers: Mapping[Kind, JobHandler], owner: str = "bench") -> Runner:
        return Runner(self.jobs, self.files, self.task_queue, handlers, self.settings, self.shutdown, owner)

    def submit(self, job: Job) -> Job:
        """Submit a job as the API does, without its message."""
        self.files.begin(job)
        self.jobs.create(job)
        return job

    def run(self, job: Job, handler: JobHandler, owner: str = "bench") -> Job:
        """Run one attempt at a submitted job; return its record."""
        self.runner({job.kind: handler}, owner).run(job.id)
        return self.jobs.get(job.id)

    def training(self, registry: Registry | None = None) -> TrainingHandler:
        """Return the real handler, with the test's registry if one is given."""
        return TrainingHandler(self.volume, DatasetStore(self.volume), registry or self.registry, self.settings)

    def dataset(self) -> Manifest:
        """The manifest of a small data set on the volume."""
        train, test = (Split(ARRAYS[f"y_{part}"], [ARRAYS[f"x_{part}"]]) for part in ("train", "test"))
        return DatasetStore(self.volume).add(Content((SIDE, SIDE), CLASSES, train, test), "easy", "test")[0]

    def a_training(self, model: str = "toy", promote: str | None = None, **overrides: Any) -> Job:
        """Submit a training on that data set."""
        configuration = tiny_configuration(**overrides)
        specification = TrainingSpecification(
            model=model, dataset=self.dataset().id, configuration=configuration.to_dict(), promote=promote
        )
        progress = Progress(total=configuration.epochs, unit="epochs")
        return self.submit(a_training(model=model, specification=specification.pinned(), progress=progress))

    def let_leases_expire(self) -> list[Job]:
        """Rescue every claimed job, as if its lease had expired."""
        for job_id in cast("list[str]", self.redis.zrange(keys.LEASES, 0, -1)):
            self.redis.zadd(keys.LEASES, {job_id: 0})
        return self.jobs.rescue_expired()


class AtConfirm(Registry):
    """A registry that calls a function right before or after a publication is confirmed."""

    def __init__(self, volume: Volume, before: Callable[[], Any] | None = None, after: Callable[[], Any] | None = None):
        super().__init__(volume)
        self._before = before or (lambda: None)
        self._after = after or (lambda: None)

    def publish(
        self,
        draft: Any,
        parameters: Any,
        scratch: Any,
        confirm: Callable[[], None] = lambda: None,
        check: Callable[[], None] = lambda: None,
        predictions: Any = None,
    ) -> Any:
        def watched() -> None:
            self._before()
            confirm()
            self._after()

        return super().publish(draft, parameters, scratch, watched, check, predictions)
