"""Prometheus metrics: every documented name, in a valid format, with bounded labels."""

from __future__ import annotations

import shutil
import threading

import pytest
from flask.testing import FlaskClient
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from shared.jobs import JobStore, Kind, ShardQueue, State, keys
from shared.jobs.task_queue import DISPATCHER, Presence
from shared.storage.volume import Volume
from tests.support.objects.jobs import a_batch, a_batch_result, a_training, claimed, running

Metrics = dict[tuple[str, frozenset[tuple[str, str]]], float]


def metrics_of(client: FlaskClient) -> Metrics:
    """Return every metric by name and labels. Each must occur once."""
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.content_type.startswith("text/plain; version=")
    found: Metrics = {}
    for family in text_string_to_metric_families(response.text):
        assert family.documentation
        assert family.type in {"counter", "gauge", "histogram"}
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def value(found: Metrics, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def test_every_documented_metric_exists_from_the_start(client: FlaskClient) -> None:
    client.get("/healthz")

    names = {name for name, _ in metrics_of(client)}

    assert names >= {
        "glassbox_jobs_total",
        "glassbox_job_duration_seconds_count",
        "glassbox_queue_jobs",
        "glassbox_queue_shards",
        "glassbox_images_total",
        "glassbox_http_request_duration_seconds_bucket",
        "glassbox_build_info",
        "glassbox_queue_oldest_job_age_seconds",
        "glassbox_redis_memory_used_bytes",
        "glassbox_redis_memory_limit_bytes",
        "glassbox_volume_free_bytes",
        "glassbox_volume_size_bytes",
        "glassbox_volume_free_inodes",
        "glassbox_volume_inodes",
    }


def test_jobs_are_counted_by_their_records(client: FlaskClient, jobs: JobStore) -> None:
    jobs.finish(running(jobs), State.SUCCEEDED)
    batch = a_batch()
    jobs.create(batch)
    jobs.finish(claimed(jobs, batch.id), State.COMPLETED_WITH_ERRORS, result=a_batch_result(succeeded=9, failed=1))
    jobs.create(a_batch())

    found = metrics_of(client)

    assert value(found, "glassbox_jobs_total", kind="training", state="succeeded") == 1
    assert value(found, "glassbox_jobs_total", kind="batch", state="completed_with_errors") == 1
    assert value(found, "glassbox_jobs_total", kind="batch", state="queued") == 2
    assert value(found, "glassbox_jobs_total", kind="batch", state="failed") == 0
    assert value(found, "glassbox_job_duration_seconds_count", kind="training") == 1
    assert value(found, "glassbox_job_duration_seconds_bucket", kind="training", le="1.0") == 1
    assert value(found, "glassbox_job_duration_seconds_bucket", kind="training", le="+Inf") == 1
    assert value(found, "glassbox_queue_jobs", queue="inference") == 1
    assert value(found, "glassbox_queue_jobs", queue="training") == 0
    assert value(found, "glassbox_images_total", outcome="succeeded") == 9
    assert value(found, "glassbox_images_total", outcome="failed") == 1


def test_oldest_queued_job_of_each_queue_has_an_age(client: FlaskClient, jobs: JobStore, redis: Redis) -> None:
    for name in ("old", "young"):
        jobs.create(a_training(id=name))
    redis.zadd(keys.queued(Kind.TRAINING), {"old": jobs.now() - 90_000})

    assert 90 <= value(metrics_of(client), "glassbox_queue_oldest_job_age_seconds", queue="training") < 120
    assert value(metrics_of(client), "glassbox_queue_oldest_job_age_seconds", queue="inference") == 0

    claimed(jobs, "old")

    assert value(metrics_of(client), "glassbox_queue_oldest_job_age_seconds", queue="training") < 30


def test_open_shards_of_running_batches_are_counted(client: FlaskClient, jobs: JobStore, redis: Redis) -> None:
    running(jobs)  # a training has no shards
    queue = ShardQueue(redis)
    batches = [a_batch(), a_batch()]
    for batch in batches:
        jobs.create(batch)
    first, second = (claimed(jobs, batch.id) for batch in batches)
    queue.open(first, range(2))
    queue.open(second, range(3))
    queue.arrive(second, "helper")

    assert value(metrics_of(client), "glassbox_queue_shards", queue="inference") == 4


def test_queue_entry_without_a_job_is_removed(client: FlaskClient, jobs: JobStore, redis: Redis) -> None:
    redis.zadd(keys.queued(Kind.TRAINING), {"claimed by an older version": 1, "another": 2})

    assert value(metrics_of(client), "glassbox_queue_oldest_job_age_seconds", queue="training") == 0
    assert redis.zcard(keys.queued(Kind.TRAINING)) == 0


def test_webhook_dispatchers_are_counted_like_workers(client: FlaskClient, redis: Redis) -> None:
    assert value(metrics_of(client), "glassbox_workers_online", queue="webhooks") == 0

    Presence(redis, "host:1", DISPATCHER, 1).renew()

    assert value(metrics_of(client), "glassbox_workers_online", queue="webhooks") == 1


def test_volume_space_is_that_of_its_file_system(client: FlaskClient, volume: Volume) -> None:
    found = metrics_of(client)

    assert value(found, "glassbox_volume_size_bytes") == shutil.disk_usage(volume.root.parent).total
    assert 0 < value(found, "glassbox_volume_free_bytes") < value(found, "glassbox_volume_size_bytes")


def test_unresponsive_volume_omits_only_its_own_metrics(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    hung = threading.Event()
    monkeypatch.setattr("shared.jobs.capacity.gauges.STATVFS_SECONDS", 0.05)
    monkeypatch.setattr("shared.jobs.capacity.gauges._space", lambda _: hung.wait())
    try:
        found = metrics_of(client)
    finally:
        hung.set()

    assert not any(name.startswith("glassbox_volume") for name, _ in found)
    assert value(found, "glassbox_redis_up") == 1


def test_requests_are_counted_by_route_method_and_status(client: FlaskClient) -> None:
    for _ in range(3):
        client.get("/v1/jobs/unknown")
    client.delete("/v1/jobs/another")

    found = metrics_of(client)

    name = "glassbox_http_request_duration_seconds_count"
    assert value(found, name, route="/v1/jobs/<job_id>", method="GET", code="404") == 3
    assert value(found, name, route="/v1/jobs/<job_id>", method="DELETE", code="404") == 1


def test_request_data_creates_no_new_labels(client: FlaskClient) -> None:
    for number in range(20):
        client.get(f"/unknown/{number}")
        client.open(f"/v1/jobs/{number}", method=f"MADE{number}")
        client.get(f"/v1/models/model-{number}")

    labels = [dict(labels) for name, labels in metrics_of(client) if name.startswith("glassbox_http")]

    assert {label["route"] for label in labels} <= {"unknown", "/v1/jobs/<job_id>", "/v1/models/<name>"}
    assert {label["method"] for label in labels} == {"GET", "other"}


def test_build_info_has_the_versions(client: FlaskClient) -> None:
    (labels,) = (dict(labels) for name, labels in metrics_of(client) if name == "glassbox_build_info")

    assert set(labels) == {"version", "python"}


def test_metrics_without_redis_show_requests_and_redis_down(client_without_redis: FlaskClient) -> None:
    client_without_redis.get("/healthz")

    found = metrics_of(client_without_redis)

    assert value(found, "glassbox_redis_up") == 0
    assert any(name.startswith("glassbox_http") for name, _ in found)
    assert not any(name.startswith("glassbox_job") for name, _ in found)


PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize("accept", [PROMETHEUS_3, "application/openmetrics-text; version=1.0.0", "*/*", ""])
def test_format_follows_the_accept_header(client: FlaskClient, accept: str) -> None:
    response = client.get("/metrics", headers={"Accept": accept})

    if "openmetrics" in accept:
        assert response.content_type.startswith("application/openmetrics-text")
        assert list(openmetrics.text_string_to_metric_families(response.text))  # type: ignore[no-untyped-call]
    else:
        assert response.content_type.startswith("text/plain")


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text;q=0, text/plain",
        "application/openmetrics-text; version=1.0.0; q=0, */*",
        "application/openmetrics-text;q=0.1, text/plain;q=0.9",
        "Application/OpenMetrics-Text;q=0.0, */*;q=0.1",
    ],
)
def test_rejected_format_is_not_used(client: FlaskClient, accept: str) -> None:
    assert client.get("/metrics", headers={"Accept": accept}).content_type.startswith("text/plain")
