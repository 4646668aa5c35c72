"""The transport: a job's id in a queue, and the queue's consumers."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from redis import Redis, RedisError

from shared.jobs import Kind, keys
from shared.jobs.task_queue import PRESENCE_SECONDS, Presence, TaskQueue, celery_app, connect
from shared.runtime.settings import Settings
from tests.support.objects.jobs import messages
from tests.support.servers.redis_server import RedisServer


@pytest.fixture
def app(settings: Settings) -> Celery:
    return celery_app(settings)


@pytest.fixture
def task_queue(app: Celery, redis: Redis) -> TaskQueue:
    return TaskQueue(app, redis)


def unreachable(settings: Settings) -> Settings:
    """Settings with the URL of a Redis that does not run."""
    return settings.model_copy(update={"redis_url": f"unix://{settings.volume}/no.sock"})


class TestSending:
    @pytest.mark.parametrize(
        ("kind", "queue"),
        [
            (Kind.TRAINING, "training"),
            (Kind.BATCH, "inference"),
            (Kind.REPRODUCTION, "training"),
            (Kind.EVALUATION, "inference"),
        ],
    )
    def test_each_kind_of_job_has_its_own_queue(
        self, task_queue: TaskQueue, redis: Redis, kind: Kind, queue: str
    ) -> None:
        task_queue.send(kind, "job-1")

        assert len(messages(redis, queue)) == 1
        assert redis.keys(f"{keys.PREFIX}broker:[ti]*") == [f"{keys.PREFIX}broker:{queue}"]

    def test_a_message_carries_only_the_jobs_id(self, task_queue: TaskQueue, redis: Redis) -> None:
        task_queue.send(Kind.TRAINING, "job-1")

        [message] = messages(redis, "training")
        arguments, named, _ = json.loads(base64.b64decode(message["body"]))
        assert (arguments, named) == (["job-1"], {})
        assert message["headers"]["task"] == "glassbox.train"
        assert message["content-type"] == "application/json"

    def test_a_request_for_a_helper_is_a_task_with_the_jobs_id(self, task_queue: TaskQueue, redis: Redis) -> None:
        task_queue.request_helper("job-1")

        [message] = messages(redis, "inference")
        assert json.loads(base64.b64decode(message["body"]))[0] == ["job-1"]
        assert message["headers"]["task"] == "glassbox.assist"

    def test_waiting_messages_are_counted(self, task_queue: TaskQueue) -> None:
        assert task_queue.waiting(Kind.BATCH) == 0
        task_queue.request_helper("job-1")
        task_queue.send(Kind.BATCH, "job-2")

        assert (task_queue.waiting(Kind.BATCH), task_queue.waiting(Kind.TRAINING)) == (2, 0)

    def test_messages_keep_their_order(self, task_queue: TaskQueue, redis: Redis) -> None:
        for job_id in ("a", "b", "c"):
            task_queue.send(Kind.BATCH, job_id)

        bodies = [json.loads(base64.b64decode(message["body"])) for message in messages(redis, "inference")]
        assert [arguments for arguments, _, _ in bodies] == [["a"], ["b"], ["c"]]

    def test_message_of_a_job_that_has_run_comes_first(self, task_queue: TaskQueue, redis: Redis) -> None:
        for job_id in ("a", "b"):
            task_queue.send(Kind.BATCH, job_id)

        task_queue.send_first(Kind.BATCH, "c")

        bodies = [json.loads(base64.b64decode(message["body"])) for message in messages(redis, "inference")]
        assert [arguments for arguments, _, _ in bodies] == [["c"], ["a"], ["b"]]

    def test_messages_are_in_the_database_of_the_url(
        self, redis_server: RedisServer, settings: Settings, redis: Redis
    ) -> None:
        with redis_server.client(database=3) as other:
            other.flushdb()
            app = celery_app(settings.model_copy(update={"redis_url": redis_server.url(database=3)}))

            TaskQueue(app, other).send(Kind.TRAINING, "job-1")

            assert len(messages(other, "training")) == 1
            assert messages(redis, "training") == []


class TestConfiguration:
    def test_celery_acknowledges_early_and_stores_no_results(self, app: Celery) -> None:
        assert app.conf.task_acks_late is False
        assert app.conf.task_ignore_result is True
        assert app.conf.result_backend is None

    def test_json_is_the_only_serializer(self, app: Celery) -> None:
        assert app.conf.accept_content == ["json"]
        assert app.conf.task_serializer == "json"

    def test_a_worker_takes_one_message_at_a_time(self, app: Celery) -> None:
        assert app.conf.worker_prefetch_multiplier == 1
        assert app.conf.worker_disable_prefetch is True

    @pytest.mark.parametrize(
        ("url", "broker"),
        [
            ("redis://host:6379/2", "redis://host:6379/2"),
            ("rediss://:secret@host/0", "rediss://:secret@host/0"),
            ("unix:///run/redis.sock", "redis+socket:///run/redis.sock"),
            ("unix:///run/redis.sock?db=2", "redis+socket:///run/redis.sock?virtual_host=2"),
        ],
    )
    def test_the_redis_url_is_converted_to_celerys_form(self, settings: Settings, url: str, broker: str) -> None:
        assert celery_app(settings.model_copy(update={"redis_url": url})).conf.broker_url == broker

    def test_a_password_from_a_file_is_in_the_broker_url(self, settings: Settings, tmp_path: Path) -> None:
        (tmp_path / "password").write_text("secret")
        update = {"redis_url": "redis://me@host/0", "redis_password_file": tmp_path / "password"}

        app = celery_app(settings.model_copy(update=update))

        assert app.conf.broker_url == "redis://me:secret@host/0"
        assert "secret" not in app.connection_for_write().as_uri()


class TestConnection:
    def test_a_connection_uses_the_database_of_the_url(self, settings: Settings, redis: Redis) -> None:
        with connect(settings) as connection:
            connection.set("key", "value")

        assert redis.get("key") == "value"

    def test_a_redis_that_is_not_running_raises_an_error_at_once(self, settings: Settings) -> None:
        with connect(unreachable(settings)) as connection, pytest.raises(RedisError):
            connection.ping()

    def test_a_silent_redis_times_out(self, settings: Settings, own_redis_server: RedisServer) -> None:
        short_timeout = settings.model_copy(update={"redis_url": own_redis_server.url(), "redis_timeout": 0.5})
        with connect(short_timeout) as connection:
            connection.ping()
            own_redis_server.freeze()

            with pytest.raises(RedisError):
                connection.ping()


class TestPresence:
    def test_a_registered_worker_is_online_on_its_queue(self, task_queue: TaskQueue, redis: Redis) -> None:
        Presence(redis, "host:1", "training", 1).renew()
        Presence(redis, "host:2", "training", 1).renew()

        assert task_queue.workers_online(Kind.TRAINING) == 2
        assert task_queue.workers_online(Kind.BATCH) == 0

    def test_a_worker_counts_once_if_it_renews_its_presence(self, task_queue: TaskQueue, redis: Redis) -> None:
        presence = Presence(redis, "host:1", "training", 1)
        presence.renew()
        presence.renew()

        assert task_queue.workers_online(Kind.TRAINING) == 1

    def test_a_withdrawn_worker_is_offline_at_once(self, task_queue: TaskQueue, redis: Redis) -> None:
        presence = Presence(redis, "host:1", "inference", 1)
        presence.renew()
        presence.withdraw()

        assert task_queue.workers_online(Kind.BATCH) == 0

    def test_presence_lasts_half_a_minute_by_the_clock_of_redis(self, redis: Redis) -> None:
        before = redis_seconds(redis)
        Presence(redis, "host:1", "training", 1).renew()

        until = redis.zscore(keys.workers("training"), "host:1 1")

        assert isinstance(until, float)
        assert before + PRESENCE_SECONDS <= until <= redis_seconds(redis) + PRESENCE_SECONDS

    def test_expired_presence_does_not_count(self, task_queue: TaskQueue, redis: Redis) -> None:
        redis.zadd(keys.workers("training"), {"host:1 1": redis_seconds(redis) - 1})

        assert task_queue.workers_online(Kind.TRAINING) == 0

    def test_the_next_renewal_removes_expired_presence(self, redis: Redis) -> None:
        redis.zadd(keys.workers("training"), {"host:1 1": redis_seconds(redis) - 1})

        Presence(redis, "host:2", "training", 1).renew()

        assert redis.zrange(keys.workers("training"), 0, -1) == ["host:2 1"]

    def test_processes_online_are_the_sum_over_the_workers(self, task_queue: TaskQueue, redis: Redis) -> None:
        Presence(redis, "host:1", "inference", 2).renew()
        Presence(redis, "host:2", "inference", 14).renew()

        assert task_queue.processes_online(Kind.BATCH) == 16
        assert task_queue.processes_online(Kind.TRAINING) == 0


def redis_seconds(redis: Redis) -> int:
    time: Any = redis.time()
    return int(time[0])
