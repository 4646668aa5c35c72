"""The transport: Celery on Redis, which only carries jobs' ids to the workers' queues.

A lost or duplicate message does no harm, because the job's record is authoritative (`shared/jobs`). So tasks are
acknowledged early, their results are not stored, and a task's only argument is a job's id.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from itertools import count
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
    Kind.EVALUATION: "glassbox.evaluate",
}
HELP = "glassbox.assist"  # the task of a helper in a batch that another process coordinates
QUEUES = keys.QUEUES
BROKER = f"{keys.PREFIX}broker:"  # the prefix of the broker's own keys
PAGE = 1000  # messages that are read at once
DISPATCHER = "webhooks"  # not a queue of messages: the name under which webhook dispatchers are registered
PRESENCE_SECONDS = 30.0
# Removes before it adds: after a removal, a script may add even if the memory of Redis is full. So a worker stays
# registered.
RENEW_PRESENCE = """
-- @key workers: the queue's consumers
-- @arg worker: the worker and how many processes it has
-- @arg seconds: how long it counts as online
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', workers, '-inf', now)
redis.call('ZADD', workers, now + seconds, worker)
"""


def connect(settings: Settings) -> Redis:
    """Connect to the Redis of the job records. The client times out rather than hang, and never retries by itself."""
    return Redis.from_url(
        settings.redis_address,
        decode_responses=True,
        socket_timeout=settings.redis_timeout,
        socket_connect_timeout=settings.redis_timeout,
        health_check_interval=25,
        retry=Retry(NoBackoff(), 0),
    )


def celery_app(settings: Settings) -> Celery:
    """Create the Celery application, for the API, which sends tasks, and for the workers, which run them."""
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
        worker_enable_remote_control=False,  # not used: a job is cancelled through its record
        worker_cancel_long_running_tasks_on_connection_loss=True,  # silences a warning; tasks are acknowledged early
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,  # a worker continues if Redis rejects changes for a time
        broker_transport_options={
            # Maintenance sends lost messages again, so Redis need not store the unacknowledged ones. With emulated
            # acknowledgements, one that fails because Redis dies would occupy its slot in the worker forever.
            "ack_emulation": False,
            "socket_timeout": settings.redis_timeout,  # without it, a sender blocks while Redis does not answer
            "socket_connect_timeout": settings.redis_timeout,
            "health_check_interval": 25,  # also detects a half-open connection
            "global_keyprefix": BROKER,
        },
    )
    return app


def _broker_url(redis_url: str) -> str:
    """Return a Redis URL in Celery's form: for a Unix socket it differs from `unix://…?db=1` of Redis's clients."""
    if not redis_url.startswith("unix://"):
        return redis_url
    return "redis+socket://" + re.sub(r"(?<=[?&])db=", "virtual_host=", redis_url.removeprefix("unix://"))


@dataclass(frozen=True)
class Worker:
    """A registered worker: its host, and how many processes it has."""

    host: str
    processes: int


class TaskQueue:
    """A sender of jobs to their queues, and a view of the queues' consumers."""

    def __init__(self, app: Celery, redis: Redis) -> None:
        self._app = app
        self._redis = redis

    def send(self, kind: Kind, job_id: str) -> None:
        """Send the job's id to its queue, once; raises `kombu.exceptions.OperationalError` if that fails."""
        self._app.send_task(TASKS[kind], args=[job_id], queue=QUEUES[kind], retry=False, ignore_result=True)

    def send_first(self, kind: Kind, job_id: str) -> None:
        """Send the id of a job that has already run, before the jobs that wait; raises as `send`, and `RedisError`."""
        self.send(kind, job_id)
        queue = f"{BROKER}{QUEUES[kind]}"
        self._redis.lmove(queue, queue, "LEFT", "RIGHT")  # Celery adds on the left, and takes from the right

    def request_helper(self, job_id: str) -> None:
        """Request one helper for a running batch, once; raises `kombu.exceptions.OperationalError` if that fails."""
        self._app.send_task(HELP, args=[job_id], queue=QUEUES[Kind.BATCH], retry=False, ignore_result=True)

    def waiting(self, kind: Kind) -> int:
        """Return how many messages wait in the queue of this kind of job: 0 while one of its processes is free."""
        return int(self._redis.llen(f"{BROKER}{QUEUES[kind]}"))

    def sent(self) -> set[str]:
        """Return the ids of the jobs that have a message in a queue."""
        found = set()
        for queue in set(QUEUES.values()):
            for start in count(step=PAGE):
                texts = cast("list[str]", self._redis.lrange(f"{BROKER}{queue}", start, start + PAGE - 1))
                messages = map(json.loads, texts)
                bodies = [message["body"] for message in messages if message["headers"]["task"] != HELP]
                found |= {json.loads(base64.b64decode(body))[0][0] for body in bodies}
                if len(texts) < PAGE:
                    break
        return found

    def workers_online(self, kind: Kind) -> int:
        """Return how many workers are registered as consumers of this kind of job."""
        return len(self._online(kind))

    def processes_online(self, kind: Kind) -> int:
        """Return how many processes those workers have; each process runs one job at a time."""
        return sum(worker.processes for worker in self.workers(kind))

    def workers(self, kind: Kind) -> list[Worker]:
        """Return the workers that are registered as consumers of this kind of job."""
        names = (worker.rsplit(" ", 1) for worker in self._online(kind))
        return [Worker(name.rpartition(":")[0], int(processes)) for name, processes in names]

    def _online(self, kind: Kind) -> list[str]:
        seconds, _ = self._redis.time()
        return cast("list[str]", self._redis.zrangebyscore(keys.workers(QUEUES[kind]), seconds, "+inf"))

    def dispatchers_online(self) -> int:
        """Return how many webhook dispatchers are registered."""
        seconds, _ = self._redis.time()
        return int(self._redis.zcount(keys.workers(DISPATCHER), seconds, "+inf"))


class Presence:
    """A worker's registration as the consumer of a queue, with its number of processes; it expires unless renewed."""

    def __init__(self, redis: Redis, worker: str, queue: str, processes: int) -> None:
        self._redis = redis
        self._worker = f"{worker} {processes}"
        self._key = keys.workers(queue)
        self._renew = Script(redis, RENEW_PRESENCE)

    def renew(self) -> None:
        """Register this worker as online for another `PRESENCE_SECONDS`."""
        self._renew({"workers": self._key}, worker=self._worker, seconds=PRESENCE_SECONDS)

    def withdraw(self) -> None:
        """Remove the registration."""
        self._redis.zrem(self._key, self._worker)
