"""A Redis without free memory: the API reports it as full, and requests that need no new memory succeed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask.testing import FlaskClient
from redis import Redis

from api.app import create_app
from shared.jobs import JobStore, State
from shared.jobs.files import JobFiles
from shared.jobs.task_queue import Presence
from shared.registry import Registry
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.support.data.npz import easy_arrays, npz
from tests.support.objects.jobs import a_training, running
from tests.support.objects.models import publish
from tests.support.problems import assert_problem
from tests.support.servers.redis_server import RedisServer


@pytest.fixture
def own_settings(own_redis_server: RedisServer, settings: Settings) -> Settings:
    return settings.model_copy(update={"redis_url": own_redis_server.url()})


@pytest.fixture
def server(own_redis_server: RedisServer) -> Iterator[Redis]:
    with own_redis_server.client() as redis:
        yield redis


@pytest.fixture
def client(own_settings: Settings) -> FlaskClient:
    return create_app(own_settings).test_client()


@pytest.fixture
def jobs(server: Redis) -> JobStore:
    return JobStore(server)


@contextmanager
def full(redis: Redis) -> Iterator[None]:
    """Make Redis exceed its memory limit during the block."""
    redis.config_set("maxmemory", 600_000)
    redis.config_set("maxmemory-policy", "noeviction")
    try:
        yield
    finally:
        redis.config_set("maxmemory", 0)


def test_readyz_reports_that_redis_is_full_with_sizes_and_a_remedy(client: FlaskClient, server: Redis) -> None:
    assert client.get("/readyz").status_code == 200

    with full(server):
        response = client.get("/readyz")

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    readiness = response.get_json()
    assert readiness["status"] == "not ready"
    assert readiness["redis"].startswith("Redis is full: ")
    assert " of 585.9 KiB" in readiness["redis"]
    assert "GLASSBOX_REDIS_MAXMEMORY" in readiness["redis"]
    assert "delete ended jobs" in readiness["redis"]
    assert readiness["reasons"] == [{"code": "redis_full", "detail": readiness["redis"]}]
    assert readiness["workers"] == {"training": 0, "inference": 0}
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize(("size", "free"), [(1, 500_000), (150_000_000, 2_000_000)])
def test_new_jobs_leave_a_reserve_of_memory_for_the_jobs_that_exist(
    client: FlaskClient, server: Redis, jobs: JobStore, size: int, free: int
) -> None:
    assert client.post("/v1/datasets?name=easy", data=npz(easy_arrays())).status_code == 201
    server.setrange("ballast", size, "x")
    server.config_set("maxmemory", int(server.info("memory")["used_memory"]) + free)

    (reason,) = client.get("/readyz").get_json()["reasons"]
    problem = assert_problem(
        client.post("/v1/training-jobs", json={"model": "toy", "dataset": "easy"}), 503, "redis_full"
    )

    assert reason["code"] == "redis_full"
    assert " are kept for the jobs that exist" in reason["detail"]
    assert problem["detail"].startswith(reason["detail"].split(":")[0])
    job = a_training()
    jobs.create(job)  # as it was accepted before
    Presence(server, "host:1", "training", 1).renew()
    assert client.get(f"/v1/jobs/{job.id}").get_json()["waiting"] is None  # it only waits for its turn
    server.set("written", 1)  # Redis itself is not full


def test_redis_with_free_memory_is_ready(client: FlaskClient, server: Redis) -> None:
    server.config_set("maxmemory", 100_000_000)

    assert client.get("/readyz").status_code == 200


def test_rejected_submission_has_its_own_code_and_leaves_no_job(
    client: FlaskClient, server: Redis, volume: Volume, jobs: JobStore
) -> None:
    assert client.post("/v1/datasets?name=easy", data=npz(easy_arrays())).status_code == 201

    with full(server):
        response = client.post("/v1/training-jobs", json={"model": "toy", "dataset": "easy"})

    problem = assert_problem(response, 503, "redis_full")
    assert "Redis is full" in problem["detail"]
    assert "not answer" not in problem["detail"]
    assert int(response.headers["Retry-After"]) > 0
    assert list(jobs.newest_first()) == []
    assert not volume.jobs.exists() or list(volume.jobs.iterdir()) == []


def test_reads_predictions_and_deletions_succeed_while_redis_is_full(
    client: FlaskClient, server: Redis, jobs: JobStore, registry: Registry
) -> None:
    publish(registry)
    ended = running(jobs)
    jobs.finish(ended, State.SUCCEEDED)

    with full(server):
        assert client.get(f"/v1/jobs/{ended.job.id}").status_code == 200
        assert client.get("/v1/jobs").status_code == 200
        assert client.get("/v1/models/toy").status_code == 200
        assert client.post("/v1/models/toy/versions/1/predict", json={"instances": [[0] * 36]}).status_code == 200
        assert client.delete(f"/v1/jobs/{ended.job.id}").status_code == 204

    assert list(jobs.newest_first()) == []


def test_queued_job_is_cancelled_and_deleted_while_redis_is_full(
    client: FlaskClient, server: Redis, jobs: JobStore, volume: Volume
) -> None:
    job = a_training()
    JobFiles(volume).begin(job)
    jobs.create(job)

    with full(server):
        cancelled = client.post(f"/v1/jobs/{job.id}/cancel")
        assert (cancelled.status_code, cancelled.get_json()["state"]) == (202, "cancelled")
        assert client.delete(f"/v1/jobs/{job.id}").status_code == 204

    assert list(jobs.newest_first()) == []
    assert not volume.job(job.id).exists()


def test_queued_job_can_be_discarded_while_redis_is_full(server: Redis, jobs: JobStore) -> None:
    job = a_training()
    jobs.create(job)

    with full(server):
        jobs.discard(job.id)

    assert list(jobs.newest_first()) == []
    assert jobs.waiting(job.kind) == 0


def test_worker_stays_online_while_redis_is_full(client: FlaskClient, server: Redis) -> None:
    presence = Presence(server, "host:1", "training", 1)

    with full(server):
        presence.renew()

        assert client.get("/readyz").get_json()["workers"]["training"] == 1


def test_queued_job_reports_that_it_waits_because_redis_is_full(
    client: FlaskClient, server: Redis, jobs: JobStore
) -> None:
    Presence(server, "host:1", "training", 1).renew()
    job = a_training()
    jobs.create(job)

    with full(server):
        waiting = client.get(f"/v1/jobs/{job.id}").get_json()["waiting"]
        (listed,) = client.get("/v1/jobs").get_json()["items"]

    assert waiting["code"] == "redis_full"
    assert waiting["detail"].startswith("Redis is full: ")
    assert listed["waiting"] == waiting


@pytest.mark.parametrize(("name", "value", "code"), [("requirepass", "secret", "redis_login_refused")])
def test_rejected_login_at_redis_has_its_own_code(
    client: FlaskClient, server: Redis, name: str, value: str, code: str
) -> None:
    server.config_set(name, value)

    assert_problem(client.get("/v1/jobs"), 503, code)
    assert client.get("/readyz").get_json()["reasons"][0]["code"] == code


def test_readyz_reports_a_read_only_replica(client: FlaskClient, server: Redis) -> None:
    server.replicaof("127.0.0.1", "1")

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.get_json()["reasons"][0]["code"] == "redis_read_only"


def test_metrics_show_redis_memory_and_its_limit(client: FlaskClient, server: Redis) -> None:
    server.config_set("maxmemory", 50_000_000)

    lines = client.get("/metrics").text.splitlines()

    assert "glassbox_redis_memory_limit_bytes 5e+07" in lines
    (used,) = (line for line in lines if line.startswith("glassbox_redis_memory_used_bytes "))
    assert 500_000 < float(used.split()[1]) < 50_000_000
