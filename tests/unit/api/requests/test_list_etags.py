"""Lists have ETags: a client that polls gets 304 while nothing has changed."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from shared.jobs import JobStore
from shared.registry import ModelVersion, Registry
from tests.support.data.npz import easy_arrays, npz
from tests.support.objects.jobs import a_training
from tests.support.objects.models import publish
from tests.support.problems import assert_problem

LISTS = [
    "/v1/jobs",
    "/v1/datasets",
    "/v1/models",
    "/v1/models/toy/versions",
    "/v1/models/toy/aliases",
    "/v1/presets",
]


@pytest.mark.parametrize("path", LISTS)
def test_an_unchanged_list_is_not_sent_again(client: FlaskClient, model: ModelVersion, path: str) -> None:
    first = client.get(path)
    etag = first.headers["ETag"]

    again = client.get(path, headers={"If-None-Match": etag})

    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", etag)
    assert client.head(path, headers={"If-None-Match": etag}).status_code == 304
    assert client.get(path, headers={"If-None-Match": '"other"'}).get_json() == first.get_json()
    assert_problem(client.get(path, headers={"If-Match": '"other"'}), 412, "precondition_failed")


def test_a_list_that_has_changed_is_sent(client: FlaskClient, jobs: JobStore, registry: Registry) -> None:
    publish(registry)
    paths = ["/v1/jobs", "/v1/datasets", "/v1/models", "/v1/models/toy/versions", "/v1/models/toy/aliases"]
    etags = {path: client.get(path).headers["ETag"] for path in paths}

    job = a_training()
    jobs.create(job)
    publish(registry, job="another")
    registry.point("toy", "champion", 1)
    assert client.post("/v1/datasets?name=easy", data=npz(easy_arrays())).status_code == 201

    for path, etag in etags.items():
        assert client.get(path, headers={"If-None-Match": etag}).status_code == 200, path
    before = client.get("/v1/jobs").headers["ETag"]
    jobs.cancel(job.id)
    assert client.get("/v1/jobs", headers={"If-None-Match": before}).get_json()["items"][0]["state"] == "cancelled"


def test_each_page_and_filter_has_its_own_etag(client: FlaskClient, jobs: JobStore) -> None:
    for _ in range(2):
        jobs.create(a_training())
    etag = client.get("/v1/jobs?limit=1").headers["ETag"]

    assert client.get("/v1/jobs?limit=2", headers={"If-None-Match": etag}).status_code == 200
    assert client.get("/v1/jobs?limit=1", headers={"If-None-Match": etag}).status_code == 304


def test_the_etag_of_a_compressed_list_matches(client: FlaskClient, jobs: JobStore) -> None:
    for _ in range(10):
        jobs.create(a_training())
    response = client.get("/v1/jobs", headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"

    assert client.get("/v1/jobs", headers={"If-None-Match": response.headers["ETag"]}).status_code == 304
