"""The worker's application: builds the collaborators in each process and passes them to the tasks.

Only the pool's processes import NumPy, after the fork: a fork does not copy BLAS threads.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

from celery import Celery, bootsteps
from celery.signals import setup_logging, worker_process_init, worker_shutting_down
from redis import RedisError

from shared.jobs import JobStore, Kind, ShardQueue
from shared.jobs.files import JobFiles
from shared.jobs.task_queue import HELP, PRESENCE_SECONDS, QUEUES, TASKS, Presence, TaskQueue, celery_app, connect
from shared.runtime import logs
from shared.runtime.memory.limit import MemoryGroup, trainer_limit
from shared.runtime.processes import die_with_parent, limit_memory
from shared.runtime.redis_faults import RepeatedWarnings, explained
from shared.runtime.settings import Settings
from shared.runtime.traces import traces_of
from shared.storage.volume import Volume
from worker.cleanup import CleanupProcess
from worker.maintenance import Maintenance
from worker.running.memory_kills import MemoryKills
from worker.running.presence_file import PresenceFile
from worker.running.shutdown import ShutdownRequest, notify_children
from worker.running.starting import wait_until_redis_accepts_changes

log = logging.getLogger(__name__)

COLLECT_SECONDS = 3600.0


def create_app(settings: Settings, queue: str) -> Celery:
    """Return the Celery application of a worker that consumes `queue`; wait until Redis accepts changes."""
    app = celery_app(settings)
    built: dict[str, Callable[..., None]] = {}

    def configure_logging(**_: Any) -> None:
        logs.configure(settings)

    def build(**_: Any) -> None:
        die_with_parent(signal.SIGKILL)  # an orphaned process would hold its job's lease
        trainer = trainer_limit(settings)
        built.update(_build(app, settings.model_copy(update={"trainer_memory_bytes": trainer})))
        limit = settings.classifier_memory_bytes if queue == QUEUES[Kind.BATCH] else trainer
        if limit is not None:
            limit_memory(limit)

    def runs(kind: Kind) -> Callable[[str], None]:
        def run(job_id: str) -> None:
            built["run"](job_id, kind)

        return run

    def help_with(job_id: str) -> None:
        built["help"](job_id)

    def shut_down_children(**_: Any) -> None:
        notify_children()

    setup_logging.connect(configure_logging, weak=False)
    worker_process_init.connect(build, weak=False)
    worker_shutting_down.connect(shut_down_children, weak=False)
    app.steps["consumer"].add(_background(app, settings, queue))
    for kind in Kind:
        app.task(name=TASKS[kind])(runs(kind))
    app.task(name=HELP)(help_with)
    return app


def _build(app: Celery, settings: Settings) -> dict[str, Callable[..., None]]:
    """Build a pool process's collaborators; return its functions of a job's id: `run`, also of its kind, and `help`.

    The imports run here, before the first job, so that no job waits for them.
    """
    from shared.datasets import DatasetStore  # noqa: PLC0415
    from shared.registry import Registry  # noqa: PLC0415
    from shared.registry.classifier import ClassifierCache  # noqa: PLC0415
    from worker.batch.helper import BatchHelper  # noqa: PLC0415
    from worker.batch.job import BatchHandler  # noqa: PLC0415
    from worker.evaluation import EvaluationHandler  # noqa: PLC0415
    from worker.running.runner import JobHandler, Runner  # noqa: PLC0415
    from worker.running.tracing import traced  # noqa: PLC0415
    from worker.training.job import TrainingHandler  # noqa: PLC0415
    from worker.training.reproduction import ReproductionHandler  # noqa: PLC0415

    shutdown = ShutdownRequest()
    volume = Volume(settings.volume)
    registry = Registry(volume)
    redis = connect(settings)
    traces = traces_of("worker", settings)
    jobs = job_store(settings)
    shard_queue = ShardQueue(redis, settings.lease_seconds, settings.resend_seconds, settings.max_processes_per_key)
    classifiers = ClassifierCache(registry)
    task_queue = TaskQueue(app, redis)
    handlers: dict[Kind, JobHandler] = {
        Kind.TRAINING: TrainingHandler(volume, DatasetStore(volume), registry, settings),
        Kind.REPRODUCTION: ReproductionHandler(volume, DatasetStore(volume), registry, settings),
        Kind.EVALUATION: EvaluationHandler(volume, DatasetStore(volume), classifiers),
        Kind.BATCH: BatchHandler(volume, classifiers, shard_queue, task_queue, settings),
    }
    handlers = {kind: traced(handler, traces) for kind, handler in handlers.items()}
    runner = Runner(jobs, JobFiles(volume), task_queue, handlers, settings, shutdown, _owner())
    batch_helper = BatchHelper(jobs, shard_queue, volume, classifiers, settings, shutdown, _owner())

    def interruptible(work: Callable[..., None]) -> Callable[..., None]:
        def with_shutdown(job_id: str, *kind: Kind) -> None:
            with shutdown.listening():
                work(job_id, *kind)

        return with_shutdown

    return {"run": interruptible(runner.run), "help": interruptible(batch_helper.run)}


def job_store(settings: Settings) -> JobStore:
    """Return the store of the job records, with its own connection to Redis."""
    return JobStore(
        connect(settings),
        settings.lease_seconds,
        settings.resend_seconds,
        settings.max_crashes,
        JobFiles(Volume(settings.volume)),
        settings.record_seconds,
        settings.max_processes_per_key,
    )


def _owner() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _background(app: Celery, settings: Settings, queue: str) -> type[bootsteps.StartStopStep]:
    """Return a step of Celery's consumer that renews presence and does maintenance on its timer.

    It runs only while the worker consumes messages.
    """
    redis = connect(settings)
    presence = Presence(redis, _owner(), queue, settings.processes(queue))
    presence_file = PresenceFile(settings.presence_file)
    jobs = job_store(settings)
    kills = MemoryKills(jobs, socket.gethostname(), MemoryGroup())

    def renew_presence() -> None:
        presence.renew()
        presence_file.renew()

    wait_until_redis_accepts_changes(jobs, renew_presence)
    maintenance = Maintenance(
        jobs, JobFiles(Volume(settings.volume)), TaskQueue(app, redis), settings, kills, messages_lost=True
    )

    warnings = RepeatedWarnings(log)

    cleanup = CleanupProcess(jobs, settings)

    def try_to_renew_presence() -> None:
        try:
            renew_presence()
        except RedisError as error:
            warnings.warn("could not renew this worker's presence", error)

    class Background(bootsteps.StartStopStep):  # type: ignore[misc]
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: Any) -> None:
            every = consumer.timer.call_repeatedly
            try_to_renew_presence()
            maintenance.tick()
            self.timers = [
                every(PRESENCE_SECONDS / 3, try_to_renew_presence),
                every(settings.upkeep_seconds, maintenance.tick),
                every(COLLECT_SECONDS, maintenance.collect),
                every(settings.upkeep_seconds, cleanup.tick),
            ]

        def stop(self, _consumer: Any) -> None:
            for timer in self.timers:
                timer.cancel()
            cleanup.stop()
            try:
                presence.withdraw()
            except RedisError as error:
                log.warning("could not withdraw this worker's presence: %s", explained(error))

    return Background
