"""Reasons why a queued job cannot start."""

from __future__ import annotations

from flask.testing import FlaskClient
from redis import Redis

from shared.jobs import Blocked, JobStore
from shared.jobs.task_queue import Presence
from tests.support.objects.jobs import a_training, claimed, running

BLOCKED = Blocked("volume_full", "the volume is full", 0)


def waiting(client: FlaskClient, job_id: str) -> dict[str, str] | None:
    reason: dict[str, str] | None = client.get(f"/v1/jobs/{job_id}").get_json()["waiting"]
    return reason


def test_job_that_waits_for_its_turn_has_no_reason(client: FlaskClient, redis: Redis, jobs: JobStore) -> None:
    Presence(redis, "host:1", "training", 1).renew()
    jobs.create(a_training(id="one"))

    assert waiting(client, "one") is None


def test_job_without_an_online_worker_has_a_reason(client: FlaskClient, jobs: JobStore) -> None:
    jobs.create(a_training(id="one"))

    assert waiting(client, "one") == {
        "code": "no_workers",
        "detail": "no worker is online for the queue 'training'",
    }


def test_job_blocked_by_a_full_volume_has_a_reason_until_it_starts(
    client: FlaskClient, redis: Redis, jobs: JobStore
) -> None:
    Presence(redis, "host:1", "training", 1).renew()
    claim = running(jobs)

    jobs.release(claim, 60.0, blocked=BLOCKED)

    assert waiting(client, claim.job.id) == {"code": "volume_full", "detail": "the volume is full"}
    assert jobs.events(claim.job.id)[-1].data["waiting"]["code"] == "volume_full"

    claimed(jobs, claim.job.id)

    assert waiting(client, claim.job.id) is None


def test_running_job_has_no_reason(client: FlaskClient, jobs: JobStore) -> None:
    assert waiting(client, running(jobs).job.id) is None
