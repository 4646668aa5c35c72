"""`{"upload": "<id>"}`: data sets and batches of resumable uploads, which a request's body would equal."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient

from shared.registry import ModelVersion
from shared.storage.volume import Volume
from tests.support.data.archives import zip_of_images
from tests.support.data.files import files_below, left_behind
from tests.support.data.npz import easy_images, npz
from tests.support.data.tars import gzip_of, tar_of
from tests.support.problems import assert_problem

ARCHIVE = zip_of_images(easy_images(60, seed=3)[0])  # larger than what is stored twice


def uploaded(client: FlaskClient, content: bytes, length: int | None = None, /, **headers: str) -> str:
    """Upload the content in the request that creates the upload; return the id."""
    response = client.post(
        "/v1/uploads",
        data=content,
        headers={"Tus-Resumable": "1.0.0", "Upload-Length": str(length or len(content)), **headers},
        content_type="application/offset+octet-stream",
    )
    assert response.status_code == 201, response.text
    return str(response.get_json()["id"])


def test_data_set_of_an_upload_is_that_of_a_body(client: FlaskClient, volume: Volume) -> None:
    upload = uploaded(client, npz())

    first = client.post("/v1/datasets?name=easy", json={"upload": upload})
    second = client.post("/v1/datasets", json={"upload": upload, "name": "again", "seed": 3})

    assert (first.status_code, second.status_code) == (201, 200), second.text
    assert client.post("/v1/datasets?name=easy", data=npz()).get_json()["id"] == first.get_json()["id"]
    assert files_below(volume.incoming) == []


def test_batch_gets_a_link_to_the_upload(client: FlaskClient, volume: Volume, model: ModelVersion) -> None:
    upload = uploaded(client, ARCHIVE)

    response = client.post("/v1/batch-jobs", json={"upload": upload, "model": model.model, "top_k": 2})

    assert response.status_code == 202, response.text
    job = response.get_json()
    assert (job["request"]["upload"], job["progress"]["total"]) == (upload, 60)
    assert volume.archive(job["id"]).samefile(volume.upload("_", upload) / "data")
    client.delete(f"/v1/uploads/{upload}", headers={"Tus-Resumable": "1.0.0"})
    assert volume.archive(job["id"]).read_bytes() == ARCHIVE
    again = uploaded(client, ARCHIVE)  # the bytes are still stored once
    assert volume.archive(job["id"]).samefile(volume.upload("_", again) / "data")


def test_upload_that_must_be_unpacked_stays_as_it_is(client: FlaskClient, volume: Volume, model: ModelVersion) -> None:
    packed = gzip_of(tar_of({"a.png": b"x", "b.png": b"y"}))
    upload = uploaded(client, packed)

    for _ in range(2):
        assert client.post("/v1/batch-jobs", json={"upload": upload, "model": model.model}).status_code == 202
    assert (volume.upload("_", upload) / "data").read_bytes() == packed


def test_unsuitable_uploads_are_refused_and_leave_no_files(
    client: FlaskClient, volume: Volume, model: ModelVersion
) -> None:
    before = left_behind(volume)

    def refused(body: Any, status: int, code: str) -> None:
        assert_problem(client.post("/v1/datasets?name=easy", json=body), status, code)
        assert_problem(client.post(f"/v1/batch-jobs?model={model.model}", json=body), status, code)
        assert left_behind(volume) == before

    refused({"upload": uploaded(client, b"PK", 10)}, 409, "upload_incomplete")
    refused({"upload": uploaded(client, npz(), None, **{"Upload-Concat": "partial"})}, 409, "upload_partial")
    refused({"upload": "01k8z4y6w9m3n5p7q1r2s4t6v9"}, 404, "upload_not_found")
    refused({"upload": "../../jobs"}, 404, "upload_not_found")
    refused({"upload": "x", "source": {"url": "file:///x"}}, 422, "validation_failed")
    refused({"upload": 7}, 422, "validation_failed")


def test_rejected_content_is_an_error_of_the_request_and_the_upload_stays(client: FlaskClient) -> None:
    upload = uploaded(client, b"no archive")

    for _ in range(2):
        assert_problem(client.post("/v1/datasets?name=easy", json={"upload": upload}), 415, "dataset_expected")
    assert client.get(f"/v1/uploads/{upload}").get_json()["complete"]
