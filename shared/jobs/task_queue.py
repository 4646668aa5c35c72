"""The transport: Celery on Redis, which carries jobs' ids to the workers' queues and is asked for nothing else.

A message may be lost or seen twice without harm: the job's record decides (`shared/jobs`). So tasks are acknowledged
early, their results are not stored, and a task's arguments are one job's id.
"""

from __future__ import annotations

import re
from typing import cast

from celery import Celery
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.jobs import Kind, keys
from shared.runtime.redis_scripts import Script
from shared.runtime.settings import Settings

TASKS = {
    Kind.TRAINING: "glassbox.train",
    Kind.BATCH: "glassbox.classify",
    Kind.REPRODUCTION: "glassbox.reproduce",
}
HELP = "glassbox.assist"  # the task of who helps with a batch that another process leads
QUEUES = {Kind.TRAINING: "training", Kind.BATCH: "inference", Kind.REPRODUCTION: "training"}
BROKER = f"{keys.PREFIX}broker:"  # stands before the names that the broker gives to its queues
DISPATCHER = "webhooks"  # no queue of messages: the name under which couriers are present
PRESENCE_SECONDS = 30.0
# Removes before it adds: after a removal, Redis lets a script add even if its memory is full, so a worker stays online.
RENEW_PRESENCE = """
-- @key workers: who listens to the queue
-- @arg worker: the worker and how many processes it has
-- @arg seconds: how long it counts as online
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', workers, '-inf', now)
redis.call('ZADD', workers, now + seconds, worker)
"""


def connect(settings: Settings) -> Redis:
    """A client of our own records: it gives up soon rather than hang, and never retries by itself."""
    return Redis.from_url(
        settings.redis_address,
        decode_responses=True,
        socket_timeout=settings.redis_timeout,
        socket_connect_timeout=settings.redis_timeout,
        health_check_interval=25,
        retry=Retry(NoBackoff(), 0),
    )


def celery_app(settings: Settings) -> Celery:
    """The Celery application, for the side that sends and for the side that works."""
    app = Celery("glassbox", broker=_broker_url(settings.redis_address))
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_acks_late=False,
        task_default_queue=QUEUES[Kind.BATCH],
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,  # a message stays in the queue until a process is free to run it
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_enable_remote_control=False,  # nothing here uses it: each job's record says what is asked of it
        worker_cancel_long_running_tasks_on_connection_loss=True,  # silences a warning; no task is acknowledged late
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,  # a Redis that refuses changes for a time ends no worker
        broker_transport_options={
            # Lost messages are sent again by us, so Redis need not know of those that are not acknowledged yet; and an
            # acknowledgement that Redis's death makes fail would keep its place in the worker taken for ever.
            "ack_emulation": False,
            "socket_timeout": settings.redis_timeout,  # else who sends waits as long as a silent Redis is silent
            "socket_connect_timeout": settings.redis_timeout,
            "health_check_interval": 25,  # also what notices a half-open connection
            "global_keyprefix": BROKER,
        },
    )
    return app


def _broker_url(redis_url: str) -> str:
    """Celery's spelling of a Redis URL: that of a Unix socket differs from Redis's clients' `unix://…?db=1`."""
    if not redis_url.startswith("unix://"):
        return redis_url
    return "redis+socket://" + re.sub(r"(?<=[?&])db=", "virtual_host=", redis_url.removeprefix("unix://"))


class TaskQueue:
    """Sends jobs to their queues, and knows who listens there."""

    def __init__(self, app: Celery, redis: Redis) -> None:
        self._app = app
        self._redis = redis

    def send(self, kind: Kind, job_id: str) -> None:
        """Send the job's id to its queue, once; raises `kombu.exceptions.OperationalError` if that fails."""
        self._app.send_task(TASKS[kind], args=[job_id], queue=QUEUES[kind], retry=False, ignore_result=True)

    def request_helper(self, job_id: str) -> None:
        """Send for a helper with a batch that runs, once; raises `kombu.exceptions.OperationalError` if that fails."""
        self._app.send_task(HELP, args=[job_id], queue=QUEUES[Kind.BATCH], retry=False, ignore_result=True)

    def waiting(self, kind: Kind) -> int:
        """How many messages wait in the queue of this kind of job: none while one of its processes is free."""
        return int(self._redis.llen(f"{BROKER}{QUEUES[kind]}"))

    def workers_online(self, kind: Kind) -> int:
        """How many workers say that they listen to the queue of this kind of job."""
        return len(self._online(kind))

    def processes_online(self, kind: Kind) -> int:
        """How many processes those workers have, each of which does one job at a time."""
        return sum(int(worker.rsplit(" ", 1)[1]) for worker in self._online(kind))

    def _online(self, kind: Kind) -> list[str]:
        seconds, _ = self._redis.time()
        return cast("list[str]", self._redis.zrangebyscore(keys.workers(QUEUES[kind]), seconds, "+inf"))

    def dispatchers_online(self) -> int:
        """How many couriers say that they deliver what webhooks are owed."""
        seconds, _ = self._redis.time()
        return int(self._redis.zcount(keys.workers(DISPATCHER), seconds, "+inf"))


class Presence:
    """A worker's sign of life, by which others know that somebody listens to a queue, with how many processes."""

    def __init__(self, redis: Redis, worker: str, queue: str, processes: int) -> None:
        self._redis = redis
        self._worker = f"{worker} {processes}"
        self._key = keys.workers(queue)
        self._renew = Script(redis, RENEW_PRESENCE)

    def renew(self) -> None:
        """Say that this worker is online for another `PRESENCE_SECONDS`."""
        self._renew({"workers": self._key}, worker=self._worker, seconds=PRESENCE_SECONDS)

    def withdraw(self) -> None:
        """Say that this worker is gone."""
        self._redis.zrem(self._key, self._worker)
