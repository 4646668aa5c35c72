"""`/v1/jobs`."""

from __future__ import annotations

import csv
import io
import json
from itertools import chain
from typing import Any

import pytest
from flask.testing import FlaskClient

from shared import durable
from shared.jobs import Job, JobStore, Progress, State
from shared.volume import Volume
from tests.support.jobs import a_batch, a_training, claimed, running
from tests.support.problems import assert_problem, parameters


def row(path: str, *best: tuple[str, float]) -> dict[str, Any]:
    top = [{"label": label, "probability": probability} for label, probability in best]
    return {"path": path, "label": best[0][0], "confidence": best[0][1], "top": top}


ROWS = [
    [row("a.png", ("cat", 0.75), ("dog", 0.25)), row('ü, "q".png', ("dog", 0.5), ("cat", 0.5))],
    [],
    [row("c.png", ("cat", 1.0), ("dog", 0.0))],
]
ERRORS = [[], [{"path": "b.txt", "code": "not_an_image", "detail": "none"}], []]


@pytest.fixture
def batch(jobs: JobStore, volume: Volume) -> Job:
    """A batch of three finished shards; of the fourth only the errors are written."""
    job = a_batch(specification={"top_k": 2})
    jobs.create(job)
    for number, (rows, errors) in enumerate(zip(ROWS, ERRORS, strict=True)):
        durable.write_bytes(volume.rows(job.id, number), lines(rows))
        durable.write_bytes(volume.errors(job.id, number), lines(errors))
    durable.write_bytes(volume.errors(job.id, 3), lines([{"path": "unfinished"}]))
    return job


def lines(values: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values).encode()


class TestShowing:
    def test_a_job_shows_how_it_ended(self, client: FlaskClient, jobs: JobStore) -> None:
        claim = running(jobs)
        jobs.renew(claim, Progress(done=1, total=2, unit="epochs", eta_seconds=4.2), {"train_loss": 0.5}, "epoch")
        jobs.finish(claim, State.SUCCEEDED, result={"model": "toy", "version": 3})

        job: Any = client.get(f"/v1/jobs/{claim.job.id}").json

        assert (job["state"], job["attempt"]) == ("succeeded", 1)
        assert job["progress"] == {"done": 1, "total": 2, "unit": "epochs", "eta_seconds": 4.2}
        assert job["metrics"] == {"train_loss": 0.5}
        assert job["result"] == {"model": "toy", "version": 3}
        assert job["links"]["version"] == "/v1/models/toy/versions/3"
        assert job["created_at"] <= job["started_at"] <= job["finished_at"]

    def test_a_failed_job_shows_why(self, client: FlaskClient, jobs: JobStore) -> None:
        claim = running(jobs)
        jobs.finish(claim, State.FAILED, error={"code": "training_diverged", "detail": "too fast"})

        job: Any = client.get(f"/v1/jobs/{claim.job.id}").json

        assert job["error"] == {"code": "training_diverged", "detail": "too fast"}
        assert job["result"] is None

    def test_who_works_on_it_and_what_is_pinned_is_not_shown(self, client: FlaskClient, jobs: JobStore) -> None:
        job = client.get(f"/v1/jobs/{running(jobs).job.id}").get_json()

        assert not {"owner", "specification"} & job.keys()

    @pytest.mark.parametrize("path", ["", "/results", "/errors"])
    @pytest.mark.parametrize("job_id", ["unknown", "..", "*"])
    def test_an_unknown_job_is_not_found(self, client: FlaskClient, job_id: str, path: str) -> None:
        assert_problem(client.get(f"/v1/jobs/{job_id}{path}"), 404, "job_not_found")

    def test_no_other_key_of_redis_is_a_job(self, client: FlaskClient, jobs: JobStore) -> None:
        job_id = running(jobs).job.id

        assert_problem(client.get(f"/v1/jobs/{job_id}:events"), 404, "job_not_found")

    @pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/unknown", "/v1/jobs/unknown/results"])
    def test_without_redis_it_says_when_to_try_again(self, client_without_redis: FlaskClient, path: str) -> None:
        response = client_without_redis.get(path)

        assert_problem(response, 503, "redis_unavailable")
        assert int(response.headers["Retry-After"]) > 0


class TestListing:
    def test_jobs_are_listed_from_the_newest(self, client: FlaskClient, jobs: JobStore) -> None:
        for job_id in ("a", "c", "b"):
            jobs.create(a_training(id=job_id))

        assert ids(client.get("/v1/jobs").json) == ["c", "b", "a"]

    def test_they_come_in_pages(self, client: FlaskClient, jobs: JobStore) -> None:
        for job_id in "abcde":
            jobs.create(a_training(id=job_id))

        pages = [client.get("/v1/jobs?limit=2").get_json()]
        while pages[-1]["next"]:
            pages.append(client.get("/v1/jobs", query_string={"limit": 2, "after": pages[-1]["next"]}).get_json())

        assert [ids(page) for page in pages] == [["e", "d"], ["c", "b"], ["a"]]

    def test_a_page_that_is_just_full_has_none_after_it(self, client: FlaskClient, jobs: JobStore) -> None:
        for job_id in "ab":
            jobs.create(a_training(id=job_id))

        assert client.get("/v1/jobs?limit=2").get_json()["next"] is None

    def test_a_page_has_fifty_unless_asked_otherwise(self, client: FlaskClient, jobs: JobStore) -> None:
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
        ],
    )
    def test_they_are_chosen_by_kind_state_and_model(
        self, client: FlaskClient, jobs: JobStore, query: dict[str, str], expected: list[str]
    ) -> None:
        for job in (a_training(id="a"), a_batch(id="b"), a_training(id="c", model="other")):
            jobs.create(job)
        claimed(jobs, "a")

        assert ids(client.get("/v1/jobs", query_string=query).json) == expected

    def test_a_choice_comes_in_pages_too(self, client: FlaskClient, jobs: JobStore) -> None:
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
        ],
    )
    def test_a_parameter_that_is_wrong_is_named(self, client: FlaskClient, query: str, named: str) -> None:
        assert parameters(assert_problem(client.get(f"/v1/jobs?{query}"), 422, "validation_failed")) == [named]

    def test_the_largest_page_is_taken(self, client: FlaskClient) -> None:
        assert client.get("/v1/jobs?limit=500").status_code == 200


class TestResults:
    def test_rows_are_json_lines_in_the_archives_order(self, client: FlaskClient, batch: Job) -> None:
        response = client.get(f"/v1/jobs/{batch.id}/results")

        assert response.content_type == "application/x-ndjson"
        assert [json.loads(line) for line in response.data.splitlines()] == list(chain(*ROWS))

    def test_rows_are_csv_where_asked_for(self, client: FlaskClient, batch: Job) -> None:
        response = client.get(f"/v1/jobs/{batch.id}/results?format=csv")

        assert response.content_type == "text/csv; charset=utf-8"
        assert list(csv.reader(io.StringIO(response.text, newline=""))) == [
            ["path", "label", "confidence", "label_2", "confidence_2"],
            ["a.png", "cat", "0.75", "dog", "0.25"],
            ['ü, "q".png', "dog", "0.5", "cat", "0.5"],
            ["c.png", "cat", "1.0", "dog", "0.0"],
        ]

    def test_csv_has_three_columns_where_one_class_was_asked_for(
        self, client: FlaskClient, jobs: JobStore, volume: Volume
    ) -> None:
        job = a_batch(specification={"top_k": 1})
        jobs.create(job)
        durable.write_bytes(volume.rows(job.id, 0), lines([row("a.png", ("cat", 0.75))]))

        response = client.get(f"/v1/jobs/{job.id}/results?format=csv")

        assert response.text == "path,label,confidence\r\na.png,cat,0.75\r\n"

    def test_errors_are_json_lines(self, client: FlaskClient, batch: Job) -> None:
        response = client.get(f"/v1/jobs/{batch.id}/errors")

        assert response.content_type == "application/x-ndjson"
        assert [json.loads(line) for line in response.data.splitlines()] == list(chain(*ERRORS))

    def test_a_shard_that_is_missing_hides_those_behind_it(
        self, client: FlaskClient, batch: Job, volume: Volume
    ) -> None:
        volume.rows(batch.id, 0).unlink()

        assert client.get(f"/v1/jobs/{batch.id}/results").data == b""
        assert client.get(f"/v1/jobs/{batch.id}/errors").data == b""

    def test_a_batch_that_has_not_begun_has_no_rows_yet(self, client: FlaskClient, jobs: JobStore) -> None:
        job = a_batch(specification={"top_k": 1})
        jobs.create(job)

        assert client.get(f"/v1/jobs/{job.id}/results").data == b""
        assert client.get(f"/v1/jobs/{job.id}/results?format=csv").text == "path,label,confidence\r\n"

    @pytest.mark.parametrize("path", ["results", "errors"])
    def test_a_training_has_no_rows(self, client: FlaskClient, jobs: JobStore, path: str) -> None:
        job = a_training()
        jobs.create(job)

        assert_problem(client.get(f"/v1/jobs/{job.id}/{path}"), 409, "not_a_batch")

    def test_another_format_is_refused(self, client: FlaskClient, batch: Job) -> None:
        response = client.get(f"/v1/jobs/{batch.id}/results?format=xml")

        assert parameters(assert_problem(response, 422, "validation_failed")) == ["format"]


def ids(page: Any) -> list[str]:
    return [item["id"] for item in page["items"]]
