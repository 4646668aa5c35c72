"""What a person may wish of a job: cancel, retry, delete; and its log."""

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
    """Let the job come into this state."""
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
    def test_a_queued_job_is_cancelled_at_once_and_on_the_volume_too(
        self, client: FlaskClient, job: Job, files: JobFiles
    ) -> None:
        response = client.post(f"/v1/jobs/{job.id}/cancel")

        assert (response.status_code, response.get_json()["state"]) == (202, "cancelled")
        assert [ended.state for ended in files] == [State.CANCELLED]

    def test_a_running_job_is_asked_to_stop(self, client: FlaskClient, job: Job, jobs: JobStore) -> None:
        bring(jobs, job, State.RUNNING)

        response = client.post(f"/v1/jobs/{job.id}/cancel")

        assert (response.status_code, response.get_json()["state"]) == (202, "cancelling")

    def test_to_ask_once_more_is_no_error_and_changes_nothing(
        self, client: FlaskClient, job: Job, jobs: JobStore, redis: Redis
    ) -> None:
        bring(jobs, job, State.CANCELLING)
        told = recorded_states(redis, job.id)

        response = client.post(f"/v1/jobs/{job.id}/cancel")

        assert (response.status_code, response.get_json()["state"]) == (202, "cancelling")
        assert recorded_states(redis, job.id) == told

    @pytest.mark.parametrize("state", ENDS)
    def test_when_it_is_over_it_is_a_conflict_that_says_the_state(
        self, client: FlaskClient, job: Job, jobs: JobStore, state: State
    ) -> None:
        bring(jobs, job, state)

        assert_conflict(client.post(f"/v1/jobs/{job.id}/cancel"), state)
        assert jobs.get(job.id).state is state


class TestRetrying:
    @pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
    def test_a_job_that_failed_or_was_cancelled_is_queued_and_sent_again(
        self, client: FlaskClient, job: Job, jobs: JobStore, files: JobFiles, redis: Redis, state: State
    ) -> None:
        bring(jobs, job, state)
        files.end(jobs.get(job.id))

        response = client.post(f"/v1/jobs/{job.id}/retry")

        assert (response.status_code, response.get_json()["state"]) == (202, "queued")
        assert len(messages(redis, "training")) == 1
        assert [known.state for known in files] == [State.QUEUED]

    @pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.CANCELLING, State.SUCCEEDED])
    def test_in_another_state_it_is_a_conflict_that_says_the_state(
        self, client: FlaskClient, job: Job, jobs: JobStore, redis: Redis, state: State
    ) -> None:
        bring(jobs, job, state)

        assert_conflict(client.post(f"/v1/jobs/{job.id}/retry"), state)
        assert messages(redis, "training") == []


class TestDeleting:
    @pytest.mark.parametrize("state", ENDS)
    def test_a_job_that_is_over_goes_with_its_files(
        self, client: FlaskClient, job: Job, jobs: JobStore, volume: Volume, state: State
    ) -> None:
        bring(jobs, job, state)

        response = client.delete(f"/v1/jobs/{job.id}")

        assert (response.status_code, response.data) == (204, b"")
        assert files_below(volume.jobs) == []
        assert_problem(client.get(f"/v1/jobs/{job.id}"), 404, "job_not_found")

    @pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.CANCELLING])
    def test_a_job_that_is_not_over_is_a_conflict_that_says_the_state(
        self, client: FlaskClient, job: Job, jobs: JobStore, files: JobFiles, state: State
    ) -> None:
        bring(jobs, job, state)

        assert_conflict(client.delete(f"/v1/jobs/{job.id}"), state)
        assert files.has(job.id)


class TestEvents:
    def test_the_log_comes_in_pages(self, client: FlaskClient, job: Job, jobs: JobStore) -> None:
        bring(jobs, job, State.SUCCEEDED)

        first: Any = client.get(f"/v1/jobs/{job.id}/events?limit=2").json
        second: Any = client.get(f"/v1/jobs/{job.id}/events", query_string={"after": first["next"]}).json

        states = [event["data"]["state"] for page in (first, second) for event in page["items"]]
        assert states == ["queued", "running", "succeeded"]
        assert second["next"] is None
        assert {"id", "type", "time", "data"} == first["items"][0].keys()
        assert first["items"][0]["time"].endswith("Z")

    @pytest.mark.parametrize("cursor", ["x", "1", "1-", "-", "(1-1"])
    def test_a_cursor_that_is_none_is_named(self, client: FlaskClient, job: Job, cursor: str) -> None:
        response = client.get(f"/v1/jobs/{job.id}/events", query_string={"after": cursor})

        assert parameters(assert_problem(response, 422, "validation_failed")) == ["after"]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/cancel"), ("POST", "/retry"), ("DELETE", ""), ("GET", "/events")]
)
class TestEachWish:
    def test_of_an_unknown_job_is_not_found(self, client: FlaskClient, method: str, path: str) -> None:
        assert_problem(client.open(f"/v1/jobs/unknown{path}", method=method), 404, "job_not_found")

    def test_without_redis_says_when_to_try_again(
        self, client_without_redis: FlaskClient, method: str, path: str
    ) -> None:
        response = client_without_redis.open(f"/v1/jobs/unknown{path}", method=method)

        assert_problem(response, 503, "redis_unavailable")
        assert int(response.headers["Retry-After"]) > 0
