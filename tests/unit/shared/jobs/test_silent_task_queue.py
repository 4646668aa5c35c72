"""A Redis that runs and does not answer: sending a message fails soon."""

from __future__ import annotations

import time

import pytest
from kombu.exceptions import OperationalError

from shared.jobs import Kind
from shared.jobs.task_queue import TaskQueue, celery_app, connect
from shared.runtime.settings import Settings
from tests.support.servers.redis_server import RedisServer


def test_sending_to_a_silent_redis_fails_within_3_s(own_redis_server: RedisServer, clean_environment: None) -> None:
    settings = Settings(redis_url=own_redis_server.url())
    with celery_app(settings) as app, connect(settings) as redis:
        task_queue = TaskQueue(app, redis)
        task_queue.send(Kind.TRAINING, "a job")  # the connection is open already
        own_redis_server.freeze()
        started = time.monotonic()

        with pytest.raises(OperationalError):
            task_queue.send(Kind.TRAINING, "another")

        assert time.monotonic() - started < 3.0
