"""`/v1/jobs`."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from shared.jobs import Job, JobStore, Progress, State, keys
from shared.jobs.files import JobFiles, close
from shared.jobs.task_queue import Presence
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.support.objects.jobs import A_RESULT, a_batch, a_training, claimed, running
from tests.support.problems import assert_problem, parameters
from worker.app import job_store

LABELLED = {"labels": {"team": "vision"}}


class TestShowing:
    def test_ended_job_shows_its_result(self, client: FlaskClient, jobs: JobStore) -> None:
        claim = running(jobs)
        jobs.renew(claim, Progress(done=1, total=2, unit="epochs", eta_seconds=4.2), {"train_loss": 0.5}, "epoch")
        jobs.finish(claim, State.SUCCEEDED, result=A_RESULT)

        job: Any = client.get(f"/v1/jobs/{claim.job.id}").json

        assert (job["state"], job["attempt"]) == ("succeeded", 1)
        assert job["progress"] == {"done": 1, "total": 2, "unit": "epochs", "eta_seconds": 4.2}
        assert job["metrics"] == {"train_loss": 0.5}
        assert job["result"] == A_RESULT
        assert job["links"]["version"] == "/v1/models/toy/versions/3"
        assert job["created_at"] <= job["started_at"] <= job["finished_at"]

    def test_failed_job_shows_its_error(self, client: FlaskClient, jobs: JobStore) -> None:
        claim = running(jobs)
        jobs.finish(claim, State.FAILED, error={"code": "training_diverged", "detail": "too fast"})

        job: Any = client.get(f"/v1/jobs/{claim.job.id}").json

        assert job["error"] == {"code": "training_diverged", "detail": "too fast"}
        assert job["result"] is None

    def test_a_queued_job_shows_its_place_and_when_it_starts(
        self, client: FlaskClient, jobs: JobStore, redis: Redis
    ) -> None:
        Presence(redis, "host:1", "inference", 1).renew()
        large = claimed(jobs, _created(jobs, progress=Progress(total=10_000, unit="images")))
        redis.hset(keys.job(large.job.id), "served", 10_000)
        jobs.renew(large, Progress(done=1000, total=10_000, unit="images"))
        waits = [_created(jobs, progress=Progress(total=50, unit="images")) for _ in range(2)]

        shown: Any = [client.get(f"/v1/jobs/{job_id}").get_json()["progress"] for job_id in waits]
        listed: Any = client.get("/v1/jobs?state=queued").get_json()["items"]

        assert [progress["place"] for progress in shown] == [1, 2]
        first, second = (progress["starts_in_seconds"] for progress in shown)
        assert 1.5 < first < second < 3.5
        assert all(progress["starts_in_seconds"] <= progress["eta_seconds"] for progress in shown)
        assert [job["progress"]["place"] for job in listed] == [2, 1]
        assert "place" not in client.get(f"/v1/jobs/{large.job.id}").get_json()["progress"]

    def test_a_queued_job_without_workers_has_no_place(self, client: FlaskClient, jobs: JobStore) -> None:
        job: Any = client.get(f"/v1/jobs/{_created(jobs)}").json

        assert job["waiting"]["code"] == "no_workers"
        assert [job["progress"][name] for name in ("place", "starts_in_seconds", "eta_seconds")] == [None, None, None]

    def test_internal_fields_are_omitted(self, client: FlaskClient, jobs: JobStore) -> None:
        job = client.get(f"/v1/jobs/{running(jobs).job.id}").get_json()

        assert not {"owner", "specification"} & job.keys()

    @pytest.mark.parametrize("path", ["", "/results", "/errors"])
    @pytest.mark.parametrize("job_id", ["unknown", "..", "*"])
    def test_unknown_job_is_not_found(self, client: FlaskClient, job_id: str, path: str) -> None:
        assert_problem(client.get(f"/v1/jobs/{job_id}{path}"), 404, "job_not_found")

    def test_other_redis_keys_are_not_jobs(self, client: FlaskClient, jobs: JobStore) -> None:
        job_id = running(jobs).job.id

        assert_problem(client.get(f"/v1/jobs/{job_id}:events"), 404, "job_not_found")

    @pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/unknown", "/v1/jobs/unknown/results"])
    def test_failure_of_redis_is_reported_with_a_time_to_retry(
        self, client_without_redis: FlaskClient, path: str
    ) -> None:
        response = client_without_redis.get(path)

        assert_problem(response, 503, "redis_unavailable")
        assert int(response.headers["Retry-After"]) > 0


class TestMovedRecords:
    """Jobs whose record is on the volume."""

    @pytest.fixture
    def job(self, jobs: JobStore, volume: Volume) -> Job:
        """An ended job, whose record is still in Redis."""
        job = a_training(request={"labels": {"owner": "ada"}})
        JobFiles(volume).begin(job)
        jobs.create(job)
        claim = claimed(jobs, job.id)
        jobs.renew(claim, Progress(done=1, total=2, unit="epochs"), {"train_loss": 0.5}, "epoch")
        jobs.finish(claim, State.SUCCEEDED, result=A_RESULT)
        return jobs.get(job.id)

    def test_moved_job_is_shown_as_before(
        self, client: FlaskClient, redis: Redis, job: Job, settings: Settings
    ) -> None:
        paths = [f"/v1/jobs/{job.id}", f"/v1/jobs/{job.id}/events", "/v1/jobs", "/v1/jobs?kind=training&model=toy"]
        accept = {"Accept": "text/event-stream"}
        before = [client.get(path).get_json() for path in paths], client.get(paths[1], headers=accept).text

        close(job_store(settings), JobFiles(Volume(settings.volume)), job.id)

        assert redis.hget(keys.job(job.id), "request") == "{}"
        assert ([client.get(path).get_json() for path in paths], client.get(paths[1], headers=accept).text) == before
        assert_problem(client.post(f"/v1/jobs/{job.id}/cancel"), 409, "wrong_state")
        assert client.delete(f"/v1/jobs/{job.id}").status_code == 204
        assert_problem(client.get(f"/v1/jobs/{job.id}"), 404, "job_not_found")

    def test_record_that_cannot_be_read_from_the_volume_has_its_own_code(
        self, client: FlaskClient, volume: Volume, job: Job, settings: Settings
    ) -> None:
        close(job_store(settings), JobFiles(volume), job.id)

        volume.end(job.id).unlink()
        assert_problem(client.get(f"/v1/jobs/{job.id}"), 500, "record_lost")
        assert client.get("/v1/jobs").get_json()["items"] == []

        volume.end(job.id).mkdir()
        response = client.get(f"/v1/jobs/{job.id}")
        assert_problem(response, 503, "volume_unavailable")
        assert int(response.headers["Retry-After"]) > 0


class TestListing:
    def test_jobs_are_listed_newest_first(self, client: FlaskClient, jobs: JobStore) -> None:
        for job_id in ("a", "c", "b"):
            jobs.create(a_training(id=job_id))

        assert ids(client.get("/v1/jobs").json) == ["c", "b", "a"]

    def test_jobs_are_listed_in_pages(self, client: FlaskClient, jobs: JobStore) -> None:
        for job_id in "abcde":
            jobs.create(a_training(id=job_id))

        pages = [client.get("/v1/jobs?limit=2").get_json()]
        while pages[-1]["next"]:
            pages.append(client.get("/v1/jobs", query_string={"limit": 2, "after": pages[-1]["next"]}).get_json())

        assert [ids(page) for page in pages] == [["e", "d"], ["c", "b"], ["a"]]

    def test_exactly_full_page_is_the_last(self, client: FlaskClient, jobs: JobStore) -> None:
        for job_id in "ab":
            jobs.create(a_training(id=job_id))

        assert client.get("/v1/jobs?limit=2").get_json()["next"] is None

    def test_default_page_has_fifty_jobs(self, client: FlaskClient, jobs: JobStore) -> None:
        for number in range(51):
            jobs.create(a_training(id=f"{number:02d}"))

        assert len(client.get("/v1/jobs").get_json()["items"]) == 50

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"kind": "training"}, ["c", "a"]),
            ({"kind": "batch"}, ["b"]),
            ({"state": "running"}, ["a"]),
            ({"state": "queued"}, ["c", "b"]),
            ({"state": "failed"}, []),
            ({"model": "other"}, ["c"]),
            ({"kind": "training", "state": "queued", "model": "other"}, ["c"]),
            ({"kind": "batch", "model": "other"}, []),
            ({"label": "team:vision"}, ["c"]),
            ({"label": "team:vision", "state": "running"}, []),
            ({"label": "team"}, []),
        ],
    )
    def test_jobs_are_filtered_by_kind_state_model_and_label(
        self, client: FlaskClient, jobs: JobStore, query: dict[str, str], expected: list[str]
    ) -> None:
        for job in (a_training(id="a"), a_batch(id="b"), a_training(id="c", model="other", request=LABELLED)):
            jobs.create(job)
        claimed(jobs, "a")

        assert ids(client.get("/v1/jobs", query_string=query).json) == expected

    def test_filtered_jobs_are_listed_in_pages(self, client: FlaskClient, jobs: JobStore) -> None:
        for number in range(6):
            jobs.create((a_training if number % 2 else a_batch)(id=str(number)))

        first: Any = client.get("/v1/jobs?kind=batch&limit=2").json
        second: Any = client.get(f"/v1/jobs?kind=batch&limit=2&after={first['next']}").json

        assert (ids(first), ids(second), second["next"]) == (["4", "2"], ["0"], None)

    @pytest.mark.parametrize(
        ("query", "named"),
        [
            ("limit=0", "limit"),
            ("limit=501", "limit"),
            ("limit=many", "limit"),
            ("limit=", "limit"),
            ("kind=cooking", "kind"),
            ("state=tired", "state"),
            ("colour=red", "colour"),
            (f"label={'x' * 2000}", "label"),
        ],
    )
    def test_invalid_parameter_is_reported(self, client: FlaskClient, query: str, named: str) -> None:
        assert parameters(assert_problem(client.get(f"/v1/jobs?{query}"), 422, "validation_failed")) == [named]

    def test_largest_page_size_is_accepted(self, client: FlaskClient) -> None:
        assert client.get("/v1/jobs?limit=500").status_code == 200


def ids(page: Any) -> list[str]:
    return [item["id"] for item in page["items"]]


def _created(jobs: JobStore, **fields: Any) -> str:
    """Create a queued batch; return its id."""
    job = a_batch(**fields)
    jobs.create(job)
    return job.id
