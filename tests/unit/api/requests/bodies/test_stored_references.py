"""Bodies by `s3:` URLs: data sets and batches of objects in a store, which are read by ranges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.archives import ArchiveIndex
from shared.jobs import Job, State
from shared.registry import ModelVersion
from shared.runtime.settings import Settings
from shared.storage.objects.bucket import Bucket, StoredObject
from shared.storage.volume import Volume
from tests.support.data.archives import zip_of
from tests.support.data.files import files_below
from tests.support.data.images import png
from tests.support.data.npz import easy_arrays, easy_images, npy, npz
from tests.support.data.tars import gzip_of, tar_of
from tests.support.objects.batches import Batches
from tests.support.objects.bench import WorkBench
from tests.support.problems import assert_problem, pointers
from tests.support.servers.object_store import (
    KEY,
    SECRET,
    Fault,
    ObjectStore,
    Proxy,
    access_to,
    faster_retries,
    proxy_before,
)

IMAGES, LABELS = easy_images(12, seed=3)
FILES = {f"c{label}/{number}.png": png(image) for number, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True))}
OBJECTS = {
    **{f"loose/{name}": content for name, content in FILES.items()},
    "images.zip": zip_of(FILES),
    "images.tar": tar_of(FILES),
    "images.tar.gz": gzip_of(tar_of(FILES)),
    "images.npy": npy(IMAGES),
    "easy.npz": npz(easy_arrays()),
}


@pytest.fixture(scope="module")
def bucket(object_store: ObjectStore) -> Bucket:
    bucket = Bucket("references", access_to(object_store.url))
    for key, content in OBJECTS.items():
        bucket.put(key, content)
    return bucket


@pytest.fixture
def proxy(object_store: ObjectStore, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    faster_retries(monkeypatch)
    with proxy_before(object_store.port) as proxy:
        yield proxy


@pytest.fixture
def settings(settings: Settings, proxy: Proxy) -> Settings:
    access = {"s3_endpoint": proxy.url, "s3_access_key_id": KEY, "s3_secret_access_key": SECRET}
    named = {"import_buckets": ("references",), "shard_images": 4, "max_tries": 1}
    return Settings.model_validate({**settings.model_dump(), **access, **named})


def source(name: str) -> dict[str, Any]:
    return {"source": {"url": f"s3://references/{name}"}}


def posted(client: FlaskClient, path: str, body: Any) -> dict[str, Any]:
    response = client.post(path, json=body)
    assert response.status_code < 300, response.text
    content: dict[str, Any] = response.get_json()
    return content


def run(settings: Settings, job_id: str) -> tuple[Batches, Job]:
    batches = Batches(WorkBench(settings))
    return batches, batches.run_attempt(batches.bench.jobs.get(job_id))


@pytest.mark.parametrize("name", ["images.zip", "images.tar", "loose/"])
def test_batch_has_the_rows_of_an_upload_and_copies_nothing(
    client: FlaskClient, model: ModelVersion, settings: Settings, volume: Volume, name: str
) -> None:
    submitted = posted(client, f"/v1/batch-jobs?model={model.model}&invert=never", source(name))
    assert submitted["request"]["source"] == {"url": f"s3://references/{name}"}
    batches, job = run(settings, submitted["id"])
    assert job.state is State.SUCCEEDED
    rows = {row["path"]: row for row in batches.rows(job)}
    assert rows == {row["path"]: row for row in batches.rows(batches.run(zip_of(FILES)))}
    assert not volume.archive(job.id).exists()
    assert files_below(volume.incoming) == []
    assert client.get(f"/v1/jobs/{job.id}/images").status_code == 200


@pytest.mark.parametrize("page", [1000, 1])
def test_folders_of_a_console_are_no_images(
    client: FlaskClient, model: ModelVersion, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = {"v1.0": 0, "v1.0/a.png": 9, "x.png": 0}
    found = [StoredObject(f"console/{name}", size, '"x"') for name, size in listed.items()]
    monkeypatch.setattr(Bucket, "pages", lambda *_: (found[start : start + page] for start in range(0, 3, page)))

    content = posted(client, f"/v1/batch-jobs?model={model.model}", source("console/"))

    assert content["progress"]["total"] == 2
    assert content["skipped"]["special_entry"]["names"] == ["v1.0"]


def test_objects_and_prefixes_are_archives_of_one_batch(
    client: FlaskClient, model: ModelVersion, settings: Settings, volume: Volume
) -> None:
    body = {"archives": [source("images.zip"), source("loose/"), source("images.tar.gz")]}
    job_id = posted(client, f"/v1/batch-jobs?model={model.model}&invert=never", body)["id"]
    batches, job = run(settings, job_id)
    assert job.state is State.SUCCEEDED
    paths = [row["path"] for row in batches.rows(job)]
    assert sorted(paths) == sorted(
        f"{name}/{path}" for name in ("images.zip", "loose", "images.tar.gz") for path in FILES
    )


@pytest.mark.parametrize("name", ["images.tar.gz", "images.npy"])
def test_object_that_ranges_cannot_serve_is_copied_once(
    client: FlaskClient, model: ModelVersion, settings: Settings, volume: Volume, proxy: Proxy, name: str
) -> None:
    job_id = posted(client, f"/v1/batch-jobs?model={model.model}", source(name))["id"]
    assert ArchiveIndex.load(volume.archive_index(job_id)).source is None
    before = len(proxy.requests)
    assert run(settings, job_id)[1].state is State.SUCCEEDED
    assert len(proxy.requests) == before


@pytest.mark.parametrize("name", ["loose/", "images.zip", "easy.npz"])
def test_data_set_is_stored_as_after_an_upload(client: FlaskClient, name: str) -> None:
    manifest = posted(client, "/v1/datasets?name=pets", source(name))
    uploaded = {"loose/": "images.zip"}.get(name, name)
    again = client.post("/v1/datasets?name=again", data=OBJECTS[uploaded])
    assert again.status_code == 200, again.text
    assert again.get_json()["id"] == manifest["id"]


@pytest.mark.parametrize("name", ["images.zip", "loose/"])
def test_store_without_ranges_is_read_as_well(
    client: FlaskClient, model: ModelVersion, settings: Settings, proxy: Proxy, name: str
) -> None:
    proxy.always = Fault(status_of_ranges=200)  # as rclone answers
    job_id = posted(client, f"/v1/batch-jobs?model={model.model}", source(name))["id"]
    batches, job = run(settings, job_id)
    assert len(batches.rows(job)) == len(FILES)


def test_each_shard_of_a_zip_is_one_range(
    client: FlaskClient, model: ModelVersion, settings: Settings, proxy: Proxy
) -> None:
    job_id = posted(client, f"/v1/batch-jobs?model={model.model}", source("images.zip"))["id"]
    proxy.requests.clear()
    run(settings, job_id)
    ranges = [tuple(map(int, each.removeprefix("bytes=").split("-"))) for _, _, each in proxy.requests]
    assert len(ranges) == 3
    assert sum(stop + 1 - start for start, stop in ranges) < len(OBJECTS["images.zip"])


@pytest.mark.parametrize("name", ["images.zip", "loose/"])
def test_object_that_changes_before_the_job_runs_is_the_error_of_the_job(
    client: FlaskClient, model: ModelVersion, settings: Settings, bucket: Bucket, name: str
) -> None:
    job_id = posted(client, f"/v1/batch-jobs?model={model.model}", source(name))["id"]
    changed = name if name in OBJECTS else next(key for key in OBJECTS if key.startswith(name))
    bucket.put(changed, OBJECTS[changed][::-1])
    try:
        _, job = run(settings, job_id)
        assert job.error is not None
        assert (job.state, job.error["code"]) == (State.FAILED, "source_changed")
        assert f"s3://references/{changed}" in job.error["detail"]
        assert_problem(client.get(f"/v1/jobs/{job_id}/images"), 409, "source_changed")
    finally:
        bucket.put(changed, OBJECTS[changed])


def test_job_whose_object_was_deleted_continues_after_it_is_back(
    client: FlaskClient, model: ModelVersion, settings: Settings, bucket: Bucket
) -> None:
    bucket.put("moved/images.zip", OBJECTS["images.zip"])
    job_id = posted(client, f"/v1/batch-jobs?model={model.model}", source("moved/images.zip"))["id"]
    bucket.delete("moved/images.zip")
    batches, job = run(settings, job_id)
    assert job.error is not None
    assert job.error["code"] == "source_not_found"
    bucket.put("moved/images.zip", OBJECTS["images.zip"])
    assert batches.run_attempt(batches.retry(job)).state is State.SUCCEEDED


@pytest.mark.parametrize("name", ["images.zip", "loose/"])
@pytest.mark.parametrize("fault", [Fault(status=503), Fault(cut_after=20)])
def test_job_is_not_disturbed_by_faults_that_pass(
    client: FlaskClient, model: ModelVersion, settings: Settings, proxy: Proxy, name: str, fault: Fault
) -> None:
    job_id = posted(client, f"/v1/batch-jobs?model={model.model}", source(name))["id"]
    proxy.faults = [fault, None, fault, fault]
    batches, job = run(settings, job_id)
    assert job.state is State.SUCCEEDED
    assert len(batches.rows(job)) == len(FILES)


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [(403, "source_refused", "GLASSBOX_S3_ACCESS_KEY_ID"), (503, "source_unavailable", "503")],
)
def test_faults_that_stay_are_the_error_of_the_job(
    client: FlaskClient, model: ModelVersion, settings: Settings, proxy: Proxy, status: int, code: str, word: str
) -> None:
    job_id = posted(client, f"/v1/batch-jobs?model={model.model}", source("images.zip"))["id"]
    proxy.always = Fault(status=status)
    batches, job = run(settings, job_id)
    assert job.error is not None
    assert (job.state, job.error["code"]) == (State.FAILED, code)
    assert word in job.error["detail"]
    assert batches.rows(job) == []


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("s3://references/none.zip", 404, "source_not_found"),
        ("s3://references/loose", 404, "source_not_found"),
        ("s3://references/none/", 422, "archive_empty"),
        ("s3://other-bucket/images.zip", 403, "source_not_allowed"),
        ("s3://references/../images.zip", 422, "source_invalid"),
        ("s3://", 422, "source_invalid"),
    ],
)
def test_wrong_urls_are_refused(client: FlaskClient, model: ModelVersion, url: str, status: int, code: str) -> None:
    response = client.post(f"/v1/batch-jobs?model={model.model}", json={"source": {"url": url}})
    problem = assert_problem(response, status, code)
    if code == "source_invalid":
        assert pointers(problem) == ["#/source/url"]


def test_faults_during_the_request_are_its_errors(client: FlaskClient, model: ModelVersion, proxy: Proxy) -> None:
    for status, expected, code in ((403, 422, "source_refused"), (503, 503, "source_unavailable")):
        proxy.always = Fault(status=status)
        for name in ("images.zip", "loose/"):
            response = client.post(f"/v1/batch-jobs?model={model.model}", json=source(name))
            assert_problem(response, expected, code)


def test_object_larger_than_the_limit_is_not_copied(client: FlaskClient, settings: Settings) -> None:
    object.__setattr__(settings, "max_source_bytes", 100)
    response = client.post("/v1/datasets?name=pets", json=source("images.zip"))
    assert "GLASSBOX_MAX_SOURCE_BYTES" in assert_problem(response, 413, "source_too_large")["detail"]
