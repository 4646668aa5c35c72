"""The sink of a batch's request: a folder that the job claims when it is submitted."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.jobs import JobStore, Kind, State
from shared.registry import ModelVersion
from shared.runtime.settings import Settings
from shared.storage import durable
from shared.storage.objects.bucket import Bucket
from shared.storage.volume import Volume
from tests.support.data.archives import zip_of
from tests.support.data.files import files_below
from tests.support.data.images import png
from tests.support.data.npz import easy_images
from tests.support.objects.batches import Batches
from tests.support.objects.bench import WorkBench
from tests.support.objects.jobs import batch_result
from tests.support.objects.sinks import settings_of
from tests.support.problems import assert_problem, parameters
from tests.support.servers.object_store import ObjectStore, access_to

ARCHIVE = zip_of({f"{number}.png": png(image) for number, image in enumerate(easy_images(6)[0])})


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    made = tmp_path / "exports"
    made.mkdir()
    return made


@pytest.fixture
def settings(settings: Settings, exports: Path, request: pytest.FixtureRequest) -> Settings:
    changed: dict[str, Any] = {"export_folders": (exports,), "shard_images": 4}
    if "object_store" in request.fixturenames:
        changed |= settings_of(request.getfixturevalue("object_store").url, "sinks-api")
    return settings.model_copy(update=changed)


@pytest.fixture
def submit(client: FlaskClient, model: ModelVersion) -> Any:
    """Submits the archive with a sink."""

    def submitted(sink: str, key: str | None = None, **options: str) -> Any:
        query = {"model": model.model, "sink": sink, **options}
        headers = {} if key is None else {"Idempotency-Key": key}
        return client.post("/v1/batch-jobs", query_string=query, data=ARCHIVE, headers=headers)

    return submitted


def test_accepted_job_has_claimed_its_sink_and_writes_to_it(submit: Any, settings: Settings, exports: Path) -> None:
    accepted = submit(f"file://{exports}/a/run/", sink_format="csv")

    assert accepted.status_code == 202
    job = accepted.get_json()
    assert (job["request"]["sink"], job["request"]["sink_format"]) == (f"file://{exports}/a/run/", "csv")
    assert json.loads((exports / "a/run/_job.json").read_bytes())["job"] == job["id"]
    batches = Batches(WorkBench(settings))
    ended = batches.run_attempt(batches.bench.jobs.get(job["id"]))
    assert ended.state is State.SUCCEEDED
    sink = batch_result(ended)["sink"]
    assert sink is not None
    assert (sink["complete"], sink["parts"]) == (True, 1)
    assert "results/part-00000.csv" in files_below(exports / "a/run")


def test_json_of_a_reference_may_name_a_sink(
    client: FlaskClient, model: ModelVersion, settings: Settings, exports: Path, tmp_path: Path
) -> None:
    settings_of_client = {"source": {"url": f"file://{tmp_path}/none.zip"}, "sink": f"file://{exports}/run/"}

    response = client.post("/v1/batch-jobs", json={"model": model.model, **settings_of_client})

    assert_problem(response, 403, "source_not_allowed")  # the sink is a member that is known
    assert files_below(exports) == []


@pytest.mark.parametrize(
    ("sink", "status", "code"),
    [
        ("ftp://host/run/", 422, "sink_invalid"),
        ("/exports/run", 422, "sink_invalid"),
        ("file:///exports/../run", 422, "sink_invalid"),
        ("file://host/run", 422, "sink_invalid"),
        ("s3://No_bucket/run/", 422, "sink_invalid"),
        ("s3://results/a//b/", 422, "sink_invalid"),
        ("file:///elsewhere/run", 403, "sink_not_allowed"),
        ("s3://results/run/", 403, "sink_not_allowed"),
        ("file://{exports}-2/run", 403, "sink_not_allowed"),
    ],
)
def test_place_that_is_not_named_is_refused(
    submit: Any, exports: Path, volume: Volume, sink: str, status: int, code: str
) -> None:
    problem = assert_problem(submit(sink.format(exports=exports)), status, code)

    if code == "sink_invalid":
        assert parameters(problem) == ["sink"]
    else:
        setting = "GLASSBOX_EXPORT_BUCKETS" if sink.startswith("s3") else "GLASSBOX_EXPORT_FOLDERS"
        assert setting in problem["detail"]
    assert files_below(exports, volume.incoming) == []


def test_folder_with_files_is_refused_and_names_one(submit: Any, exports: Path) -> None:
    (exports / "run").mkdir()
    (exports / "run/old.csv").write_text("1")

    problem = assert_problem(submit(f"file://{exports}/run/"), 409, "sink_not_empty")

    assert "'old.csv'" in problem["detail"]
    assert files_below(exports) == ["run/old.csv"]


def test_sink_of_another_job_is_refused_but_a_repeated_request_is_not(submit: Any, exports: Path) -> None:
    first = submit(f"file://{exports}/run/", key="same")

    assert submit(f"file://{exports}/run/", key="same").get_json()["id"] == first.get_json()["id"]
    problem = assert_problem(submit(f"file://{exports}/run/"), 409, "sink_not_empty")

    assert first.get_json()["id"] in problem["detail"]


def test_link_in_the_folder_is_not_followed(submit: Any, exports: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (exports / "run").symlink_to(tmp_path / "elsewhere")

    assert_problem(submit(f"file://{exports}/run/"), 422, "sink_refused")

    assert files_below(tmp_path / "elsewhere") == []


def test_folder_that_is_not_mounted_is_named(submit: Any, exports: Path) -> None:
    exports.rmdir()

    problem = assert_problem(submit(f"file://{exports}/run/"), 404, "sink_not_found")

    assert "GLASSBOX_EXPORT_FOLDERS" in problem["detail"]


def test_prefix_is_claimed_in_a_bucket_that_exists(client: FlaskClient, submit: Any, object_store: ObjectStore) -> None:
    bucket = Bucket("sinks-api", access_to(object_store.url))
    assert_problem(submit("s3://sinks-api/run"), 404, "sink_not_found")
    bucket.put("other", b"1")

    accepted = submit("s3://sinks-api/run")

    assert accepted.status_code == 202, accepted.text
    assert accepted.get_json()["id"].encode() in bucket.read(bucket.stat("run/_job.json"), 0, 200)
    assert_problem(submit("s3://sinks-api/run/"), 409, "sink_not_empty")
    assert_problem(submit("s3://sinks-api-2/run/"), 403, "sink_not_allowed")


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [("EROFS", 422, "sink_refused"), ("ENOSPC", 507, "sink_full"), ("EIO", 503, "sink_unavailable")],
)
def test_fault_of_the_disk_fails_the_request(
    submit: Any, exports: Path, monkeypatch: pytest.MonkeyPatch, number: str, status: int, code: str
) -> None:
    error = OSError(getattr(errno, number), "a fault")

    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(os, "replace", failing)

    assert_problem(submit(f"file://{exports}/run/"), status, code)

    monkeypatch.undo()
    assert files_below(exports) == []


def test_refused_job_gives_its_sink_up(
    submit: Any, jobs: JobStore, exports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(durable, "write_json", full)  # of the job's draft

    response = submit(f"file://{exports}/run/")

    assert response.status_code >= 500
    assert files_below(exports) == []
    assert jobs.waiting(Kind.BATCH) == 0


def test_format_without_a_sink_is_refused(client: FlaskClient, model: ModelVersion) -> None:
    query = {"model": model.model, "sink_format": "csv"}

    response = client.post("/v1/batch-jobs", query_string=query, data=ARCHIVE)

    assert parameters(assert_problem(response, 422, "validation_failed")) == ["sink_format"]
