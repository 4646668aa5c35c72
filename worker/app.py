"""The worker's application: builds the collaborators in each process and hands them to the tasks.

NumPy is imported in the pool's processes only, after the fork: BLAS threads started before one would be lost in it.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

from celery import Celery, bootsteps
from celery.signals import setup_logging, worker_process_init
from redis import RedisError

from shared.broker import PRESENCE_SECONDS, TASKS, Presence, celery_app, connect
from shared.jobs import JobStore, Kind
from shared.processes import die_with_parent
from shared.settings import Settings
from shared.volume import Volume

log = logging.getLogger(__name__)


def create_app(settings: Settings, queue: str) -> Celery:
    """The Celery application of a worker that listens to `queue`."""
    app = celery_app(settings)
    app.steps["consumer"].add(_presence_step(Presence(connect(settings), _owner(), queue)))
    runners: list[Callable[[str], None]] = []

    def configure_logging(**_: Any) -> None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)

    def build(**_: Any) -> None:
        die_with_parent(signal.SIGKILL)  # none is left behind to hold a job that no worker answers for
        runners.append(_build_runner(settings))

    def run(job_id: str) -> None:
        runners[0](job_id)

    setup_logging.connect(configure_logging, weak=False)
    worker_process_init.connect(build, weak=False)
    for kind in Kind:
        app.task(name=TASKS[kind])(run)
    return app


def _build_runner(settings: Settings) -> Callable[[str], None]:
    """Everything that a pool process works with; imported here, so that a job does not wait for it."""
    from shared.datasets import DatasetStore  # noqa: PLC0415
    from shared.inference import ClassifierCache  # noqa: PLC0415
    from shared.registry import Registry  # noqa: PLC0415
    from worker.classification import Classification  # noqa: PLC0415
    from worker.runner import Runner, Step  # noqa: PLC0415
    from worker.training import TrainingStep  # noqa: PLC0415

    volume = Volume(settings.volume)
    registry = Registry(volume)
    jobs = JobStore(connect(settings), settings.lease_seconds)
    steps: dict[Kind, Step] = {
        Kind.TRAINING: TrainingStep(volume, DatasetStore(volume), registry),
        Kind.BATCH: Classification(volume, ClassifierCache(registry), settings),
    }
    return Runner(jobs, steps, settings, _owner()).run


def _owner() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _presence_step(presence: Presence) -> type[bootsteps.StartStopStep]:
    """A part of Celery's consumer: says that the worker is online for as long as it really consumes."""

    def renew() -> None:
        try:
            presence.renew()
        except RedisError as error:
            log.warning("could not renew this worker's presence: %s", error)

    class PresenceStep(bootsteps.StartStopStep):  # type: ignore[misc]
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: Any) -> None:
            renew()
            self.timer = consumer.timer.call_repeatedly(PRESENCE_SECONDS / 3, renew)

        def stop(self, _consumer: Any) -> None:
            self.timer.cancel()
            try:
                presence.withdraw()
            except RedisError as error:
                log.warning("could not withdraw this worker's presence: %s", error)

    return PresenceStep
