"""Cancel, retry and delete of a job, and its log."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from shared.jobs import Job, JobStore, State
from shared.jobs.files import JobFiles
from shared.storage.volume import Volume
from tests.support.data.files import files_below
from tests.support.objects.jobs import a_training, claimed, messages, recorded_states
from tests.support.problems import assert_problem, parameters

ENDS = [State.SUCCEEDED, State.FAILED, State.CANCELLED]


@pytest.fixture
def files(volume: Volume) -> JobFiles:
    return JobFiles(volume)


@pytest.fixture
def job(jobs: JobStore, files: JobFiles) -> Job:
    job = a_training()
    files.begin(job)
    jobs.create(job)
    return job


def bring(jobs: JobStore, job: Job, state: State) -> None:
    """Bring the job into this state."""
    if state is State.QUEUED:
        return
    claim = claimed(jobs, job.id)
    if state in {State.CANCELLING, State.CANCELLED}:
        jobs.cancel(job.id)
    if state.is_terminal:
        assert jobs.finish(claim, state)


def assert_conflict(response: Any, state: State) -> None:
    problem = assert_problem(response, 409, "wrong_state")
    assert f"is {state}" in problem["detail"]


class TestCancelling:
    def test_queued_job_is_cancelled_at_once_in_redis_and_on_the_volume(
        self, client: FlaskClient, job: Job, files: JobFiles
    ) -> None:
        response = client.post(f"/v1/jobs/{job.id}/cancel")

        assert (response.status_code, response.get_json()["state"]) == (202, "cancelled")
        assert [ended.state for ended in files] == [State.CANCELLED]

    def test_running_job_becomes_cancelling(self, client: FlaskClient, job: Job, jobs: JobStore) -> None:
        bring(jobs, job, State.RUNNING)

        response = client.post(f"/v1/jobs/{job.id}/cancel")

        assert (response.status_code, response.get_json()["state"]) == (202, "cancelling")

    def test_second_cancel_succeeds_without_effect(
        self, client: FlaskClient, job: Job, jobs: JobStore, redis: Redis
    ) -> None:
        bring(jobs, job, State.CANCELLING)
        before = recorded_states(redis, job.id)

        response = client.post(f"/v1/jobs/{job.id}/cancel")

        assert (response.status_code, response.get_json()["state"]) == (202, "cancelling")
        assert recorded_states(redis, job.id) == before

    @pytest.mark.parametrize("state", ENDS)
    def test_cancel_of_an_ended_job_is_a_conflict(
        self, client: FlaskClient, job: Job, jobs: JobStore, state: State
    ) -> None:
        bring(jobs, job, state)

        assert_conflict(client.post(f"/v1/jobs/{job.id}/cancel"), state)
        assert jobs.get(job.id).state is state


class TestRetrying:
    @pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
    def test_failed_or_cancelled_job_is_queued_and_sent_again(
        self, client: FlaskClient, job: Job, jobs: JobStore, files: JobFiles, redis: Redis, state: State
    ) -> None:
        bring(jobs, job, state)
        files.end(jobs.get(job.id))

        response = client.post(f"/v1/jobs/{job.id}/retry")

        assert (response.status_code, response.get_json()["state"]) == (202, "queued")
        assert len(messages(redis, "training")) == 1
        assert [known.state for known in files] == [State.QUEUED]

    @pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.CANCELLING, State.SUCCEEDED])
    def test_retry_in_another_state_is_a_conflict(
        self, client: FlaskClient, job: Job, jobs: JobStore, redis: Redis, state: State
    ) -> None:
        bring(jobs, job, state)

        assert_conflict(client.post(f"/v1/jobs/{job.id}/retry"), state)
        assert messages(redis, "training") == []


class TestDeleting:
    @pytest.mark.parametrize("state", ENDS)
    def test_ended_job_is_deleted_with_its_files(
        self, client: FlaskClient, job: Job, jobs: JobStore, volume: Volume, state: State
    ) -> None:
        bring(jobs, job, state)

        response = client.delete(f"/v1/jobs/{job.id}")

        assert (response.status_code, response.data) == (204, b"")
        assert files_below(volume.jobs) == []
        assert_problem(client.get(f"/v1/jobs/{job.id}"), 404, "job_not_found")

    @pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.CANCELLING])
    def test_delete_of_an_active_job_is_a_conflict(
        self, client: FlaskClient, job: Job, jobs: JobStore, files: JobFiles, state: State
    ) -> None:
        bring(jobs, job, state)

        assert_conflict(client.delete(f"/v1/jobs/{job.id}"), state)
        assert files.has(job.id)


class TestEvents:
    def test_log_is_returned_in_pages(self, client: FlaskClient, job: Job, jobs: JobStore) -> None:
        bring(jobs, job, State.SUCCEEDED)

        first: Any = client.get(f"/v1/jobs/{job.id}/events?limit=2").json
        second: Any = client.get(f"/v1/jobs/{job.id}/events", query_string={"after": first["next"]}).json

        states = [event["data"]["state"] for page in (first, second) for event in page["items"]]
        assert states == ["queued", "running", "succeeded"]
        assert second["next"] is None
        assert {"id", "type", "time", "data"} == first["items"][0].keys()
        assert first["items"][0]["time"].endswith("Z")

    @pytest.mark.parametrize("cursor", ["x", "1", "1-", "-", "(1-1"])
    def test_invalid_cursor_is_reported(self, client: FlaskClient, job: Job, cursor: str) -> None:
        response = client.get(f"/v1/jobs/{job.id}/events", query_string={"after": cursor})

        assert parameters(assert_problem(response, 422, "validation_failed")) == ["after"]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/cancel"), ("POST", "/retry"), ("DELETE", ""), ("GET", "/events")]
)
class TestEachAction:
    def test_unknown_job_is_not_found(self, client: FlaskClient, method: str, path: str) -> None:
        assert_problem(client.open(f"/v1/jobs/unknown{path}", method=method), 404, "job_not_found")

    def test_failure_of_redis_is_reported_with_a_time_to_retry(
        self, client_without_redis: FlaskClient, method: str, path: str
    ) -> None:
        response = client_without_redis.open(f"/v1/jobs/unknown{path}", method=method)

        assert_problem(response, 503, "redis_unavailable")
        assert int(response.headers["Retry-After"]) > 0
