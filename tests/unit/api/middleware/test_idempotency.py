"""A `POST` with an `Idempotency-Key` takes effect once, even if it is sent several times."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from api.app import create_app
from api.auth.keys import KeysFile, new_key, parse_scopes
from api.middleware.idempotency import idempotent
from api.schema.operations import operation
from shared.datasets import DatasetStore
from shared.idempotency import IdempotencyKeys
from shared.jobs import JobStore
from shared.runtime.settings import Settings
from tests.support.data.archives import zip_of_images
from tests.support.data.files import files_below
from tests.support.data.npz import easy_arrays, easy_images, npz
from tests.support.objects.jobs import messages
from tests.support.problems import assert_problem
from tests.support.waiting import eventually

TRAINING = {"model": "toy", "dataset": "easy"}


@pytest.fixture
def dataset(client: FlaskClient) -> None:
    """The data set `easy`."""
    assert client.post("/v1/datasets?name=easy", data=npz(easy_arrays())).status_code == 201


def train(client: FlaskClient, key: str = "key", **changes: Any) -> TestResponse:
    return client.post("/v1/training-jobs", json=TRAINING | changes, headers={"Idempotency-Key": key})


def jobs_of(jobs: JobStore) -> list[str]:
    return [job.id for job in jobs.newest_first()]


@pytest.mark.usefixtures("dataset")
class TestJobs:
    def test_repeated_request_takes_effect_once_and_gets_the_same_response(
        self, client: FlaskClient, jobs: JobStore, redis: Redis
    ) -> None:
        first, second, third = (train(client) for _ in range(3))

        assert first.status_code == second.status_code == third.status_code == 202
        assert first.json == second.json == third.json
        assert first.headers["Location"] == second.headers["Location"]
        assert jobs_of(jobs) == [first.get_json()["id"]]
        assert len(messages(redis, "training")) == 1

    def test_replayed_response_is_marked(self, client: FlaskClient) -> None:
        first, second = train(client), train(client)

        assert "Idempotent-Replayed" not in first.headers
        assert second.headers["Idempotent-Replayed"] == "true"

    def test_replayed_response_has_the_id_of_its_own_request(self, client: FlaskClient) -> None:
        first, second = train(client), train(client)

        assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]

    @pytest.mark.parametrize("other", ['"key"', "key"])
    def test_quoted_and_bare_key_are_the_same(self, client: FlaskClient, other: str) -> None:
        assert train(client, "key").json == train(client, other).json

    def test_different_keys_create_different_jobs(self, client: FlaskClient, jobs: JobStore) -> None:
        ids = {train(client, key).get_json()["id"] for key in ("a", "b", r'"a\"b"')}

        assert set(jobs_of(jobs)) == ids
        assert len(ids) == 3

    def test_every_request_without_a_key_creates_a_job(self, client: FlaskClient, jobs: JobStore) -> None:
        for _ in range(2):
            client.post("/v1/training-jobs", json=TRAINING)

        assert len(jobs_of(jobs)) == 2

    def test_different_payload_with_the_same_key_is_rejected(self, client: FlaskClient, jobs: JobStore) -> None:
        train(client)

        assert_problem(train(client, epochs=3), 422, "idempotency_key_reused")
        assert len(jobs_of(jobs)) == 1

    @pytest.mark.usefixtures("model")
    def test_different_operation_with_the_same_key_is_rejected(self, client: FlaskClient) -> None:
        train(client)

        response = client.post("/v1/batch-jobs?model=toy", data=b"anything", headers={"Idempotency-Key": "key"})

        assert_problem(response, 422, "idempotency_key_reused")

    def test_key_of_a_rejected_request_can_be_used_for_the_corrected_one(
        self, client: FlaskClient, jobs: JobStore
    ) -> None:
        assert train(client, epochs=0).status_code == 422

        assert train(client, epochs=1).status_code == 202
        assert len(jobs_of(jobs)) == 1

    @pytest.mark.parametrize("key", ["", '"', '""', '"a', 'a"b', "é", "a" * 256, "a\tb", '"a\\nb"'])
    def test_malformed_key_is_rejected(self, client: FlaskClient, jobs: JobStore, key: str) -> None:
        assert_problem(train(client, key), 400, "malformed_idempotency_key")
        assert jobs_of(jobs) == []

    def test_idempotency_keys_of_two_api_keys_are_separate(self, settings: Settings, tmp_path: Path) -> None:
        keys, ids = KeysFile(tmp_path / "keys"), []
        made = [new_key(name, parse_scopes("submit")) for name in ("ann", "bob")]
        keys.write([line for _, line in made])
        client = create_app(settings.model_copy(update={"api_keys_file": keys.path})).test_client()
        for token, _ in made:
            client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
            ids.append(train(client).get_json()["id"])

        assert len(set(ids)) == 2

    def test_request_without_redis_fails(self, client_without_redis: FlaskClient) -> None:
        assert_problem(train(client_without_redis), 503, "redis_unavailable")


@pytest.mark.usefixtures("dataset")
class TestConcurrentRequests:
    def test_second_request_is_rejected_while_the_first_one_runs(self, app: Flask, jobs: JobStore) -> None:
        """The second request arrives while the first one's body is still being sent."""
        first_began, second_responded = Event(), Event()

        class Slow(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                first_began.set()
                assert second_responded.wait(30)
                return super().read(size)

        body = b'{"model": "toy", "dataset": "easy"}'
        options: Any = {
            "path": "/v1/training-jobs",
            "method": "POST",
            "content_type": "application/json",
            "content_length": len(body),
            "headers": {"Idempotency-Key": "key"},
        }
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(lambda: app.test_client().open(input_stream=Slow(body), **options))
            assert first_began.wait(30)
            second = app.test_client().open(input_stream=io.BytesIO(body), **options)
            second_responded.set()

        assert_problem(second, 409, "idempotency_key_in_use")
        assert first.result().status_code == 202
        assert len(jobs_of(jobs)) == 1
        assert app.test_client().open(input_stream=io.BytesIO(body), **options).json == first.result().json

    def test_many_concurrent_requests_create_one_job(self, app: Flask, jobs: JobStore) -> None:
        with ThreadPoolExecutor(8) as pool:
            responses = list(pool.map(lambda _: train(app.test_client()), range(24)))

        assert len(jobs_of(jobs)) == 1
        assert {response.status_code for response in responses} <= {202, 409}
        accepted = [response for response in responses if response.status_code == 202]
        assert {response.get_json()["id"] for response in accepted} == set(jobs_of(jobs))


@pytest.mark.usefixtures("dataset")
class TestCrashedRequest:
    def test_retry_finds_the_job_of_the_crashed_request(self, settings: Settings, redis: Redis, jobs: JobStore) -> None:
        """The server crashed after it accepted the job, before it stored the response."""
        crashed = create_app(settings.model_copy(update={"idempotency_lease_seconds": 0.05})).test_client()
        accepted = train(crashed).get_json()["id"]
        [record] = [key for key in redis.keys("*") if ":idempotency:" in key]
        redis.hdel(record, "status", "fingerprint", "length", "location", "body")

        again = eventually(lambda: retried(crashed))

        assert again.get_json()["id"] == accepted
        assert jobs_of(jobs) == [accepted]
        assert len(messages(redis, "training")) == 1

    def test_key_of_a_crashed_request_is_released(self, settings: Settings, redis: Redis, jobs: JobStore) -> None:
        IdempotencyKeys(redis, 60.0, 0.05).begin("", "key")
        client = create_app(settings).test_client()

        assert eventually(lambda: retried(client)).status_code == 202
        assert len(jobs_of(jobs)) == 1

    def test_retry_creates_a_job_whose_record_was_not_written(
        self, settings: Settings, redis: Redis, jobs: JobStore
    ) -> None:
        crashed = create_app(settings.model_copy(update={"idempotency_lease_seconds": 0.05})).test_client()
        accepted = train(crashed).get_json()["id"]
        [record] = [key for key in redis.keys("*") if ":idempotency:" in key]
        redis.hdel(record, "status")
        jobs.discard(accepted)

        assert eventually(lambda: retried(crashed)).get_json()["id"] == accepted
        assert jobs_of(jobs) == [accepted]


class TestUploads:
    def test_repeated_upload_creates_one_data_set(self, client: FlaskClient) -> None:
        content = npz(easy_arrays())

        first, second = (
            client.post("/v1/datasets?name=easy", data=content, headers={"Idempotency-Key": "k"}) for _ in range(2)
        )

        assert (first.status_code, second.status_code) == (201, 201)  # without a key, the second would be a 200
        assert first.json == second.json
        assert second.headers["Location"] == first.headers["Location"]

    def test_upload_of_different_bytes_is_rejected(self, client: FlaskClient, datasets: DatasetStore) -> None:
        first = client.post("/v1/datasets?name=easy", data=npz(easy_arrays()), headers={"Idempotency-Key": "k"})
        second = client.post("/v1/datasets?name=easy", data=npz(easy_arrays(1)), headers={"Idempotency-Key": "k"})

        assert first.status_code == 201
        assert_problem(second, 422, "idempotency_key_reused")
        assert len(datasets.all()) == 1

    def test_upload_with_a_different_query_is_rejected(self, client: FlaskClient) -> None:
        content = npz(easy_arrays())
        client.post("/v1/datasets?name=easy", data=content, headers={"Idempotency-Key": "k"})

        response = client.post("/v1/datasets?name=hard", data=content, headers={"Idempotency-Key": "k"})

        assert_problem(response, 422, "idempotency_key_reused")

    def test_longer_body_with_the_same_key_is_rejected(self, client: FlaskClient) -> None:
        client.post("/v1/datasets?name=easy", data=npz(easy_arrays()), headers={"Idempotency-Key": "k"})

        response = client.post("/v1/datasets?name=easy", data=bytes(5_000_000), headers={"Idempotency-Key": "k"})

        assert_problem(response, 422, "idempotency_key_reused")

    @pytest.mark.usefixtures("model")
    def test_form_with_a_different_boundary_is_the_same_payload(
        self, client: FlaskClient, jobs: JobStore, settings: Settings
    ) -> None:
        archive = zip_of_images(easy_images(5)[0])

        first, second = (
            client.post(
                "/v1/batch-jobs",
                data=form("archive", archive, boundary, model="toy"),
                content_type=f"multipart/form-data; boundary={boundary}",
                headers={"Idempotency-Key": "k"},
            )
            for boundary in ("one", "----------two--two")
        )

        assert first.status_code == second.status_code == 202, (first.text, second.text)
        assert first.json == second.json
        assert len(jobs_of(jobs)) == 1
        assert [path for path in files_below(settings.volume) if "archive" in path] == [
            f"jobs/{jobs_of(jobs)[0]}/archive"
        ]


def form(part: str, content: bytes, boundary: str, **fields: str) -> bytes:
    """Encode a form as clients do."""
    lines = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{part}"; filename="file"\r\n\r\n'.encode()
    return b"".join([*lines, head, content, f"\r\n--{boundary}--\r\n".encode()])


def retried(client: FlaskClient) -> TestResponse:
    """Return the response. Raises AssertionError while the key is in use."""
    response = train(client)
    assert response.status_code != 409
    return response


def test_decorator_above_the_declaration_is_rejected(redis: Redis) -> None:
    @operation("Create something", scope="submit", responses={201: None})
    def create() -> tuple[str, int]:
        return "", 201

    with pytest.raises(TypeError, match="below @operation"):
        idempotent(IdempotencyKeys(redis, 60.0, 1.0))(create)
