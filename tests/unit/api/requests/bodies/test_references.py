"""Bodies by reference: data sets and batches of files and folders that the server reads in place."""

from __future__ import annotations

import os
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.requests.bodies import references
from shared.archives import ArchiveIndex, Contents
from shared.jobs import Job, State
from shared.registry import ModelVersion
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.support.data.archives import zip_of
from tests.support.data.files import files_below, left_behind
from tests.support.data.images import png
from tests.support.data.npz import easy_arrays, easy_images, npy, npz
from tests.support.data.tars import BLOCK, gzip_of, tar_of
from tests.support.objects.batches import Batches
from tests.support.objects.bench import WorkBench
from tests.support.problems import assert_problem, pointers
from tests.support.servers.scripted import Reply, scripted
from tests.support.servers.scripted import content as reply

IMAGES, LABELS = easy_images(12, seed=3)
FILES = {f"c{label}/{number}.png": png(image) for number, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True))}


@pytest.fixture
def imports(tmp_path: Path) -> Path:
    """A folder of the operator's, with the same images in several forms."""
    folder = tmp_path / "imports"
    for name, content in FILES.items():
        (folder / "loose" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "loose" / name).write_bytes(content)
    (folder / "images.zip").write_bytes(zip_of(FILES))
    (folder / "images.tar").write_bytes(tar_of(FILES))
    (folder / "images.tar.gz").write_bytes(gzip_of(tar_of(FILES)))
    (folder / "images.npy").write_bytes(npy(IMAGES))
    (folder / "easy.npz").write_bytes(npz(easy_arrays()))
    return folder


@pytest.fixture
def settings(settings: Settings, imports: Path) -> Settings:
    return settings.model_copy(update={"import_folders": (imports,), "shard_images": 4})


def source(imports: Path, name: str) -> dict[str, Any]:
    return {"source": {"url": f"file://{imports}/{name}"}}


def posted(client: FlaskClient, path: str, body: Any) -> dict[str, Any]:
    response = client.post(path, json=body)
    assert response.status_code < 300, response.text
    content: dict[str, Any] = response.get_json()
    return content


def run(settings: Settings, job_id: str) -> tuple[Batches, Job]:
    batches = Batches(WorkBench(settings))
    return batches, batches.run_attempt(batches.bench.jobs.get(job_id))


class TestBatches:
    @pytest.mark.parametrize("name", ["images.zip", "images.tar", "images.npy", "loose"])
    def test_the_rows_are_those_of_an_upload_and_nothing_is_copied(
        self, client: FlaskClient, model: ModelVersion, settings: Settings, volume: Volume, imports: Path, name: str
    ) -> None:
        path = f"/v1/batch-jobs?model={model.model}&invert=never"
        submitted = posted(client, path, source(imports, name))
        assert submitted["request"]["source"] == {"url": f"file://{imports}/{name}"}
        batches, job = run(settings, submitted["id"])
        assert job.state is State.SUCCEEDED
        expected = batches.run(zip_of(FILES)) if name != "images.npy" else batches.run(npy(IMAGES))
        rows = {row["path"]: row for row in batches.rows(job)}
        assert rows == {row["path"]: row for row in batches.rows(expected)}
        assert not volume.archive(job.id).exists()
        assert files_below(volume.incoming) == []
        assert client.get(f"/v1/jobs/{job.id}/images").status_code == 200

    def test_a_compressed_tar_is_unpacked_to_the_volume(
        self, client: FlaskClient, model: ModelVersion, settings: Settings, volume: Volume, imports: Path
    ) -> None:
        job_id = posted(client, f"/v1/batch-jobs?model={model.model}", source(imports, "images.tar.gz"))["id"]
        assert ArchiveIndex.load(volume.archive_index(job_id)).source is None
        (imports / "images.tar.gz").unlink()
        assert run(settings, job_id)[1].state is State.SUCCEEDED

    def test_options_may_be_in_the_json(self, client: FlaskClient, model: ModelVersion, imports: Path) -> None:
        body = {"model": model.model, "top_k": 2, "error_threshold": 0.5, **source(imports, "images.zip")}
        request = posted(client, "/v1/batch-jobs", body)["request"]
        assert (request["top_k"], request["error_threshold"]) == (2, 0.5)
        twice = client.post("/v1/batch-jobs?top_k=2", json=body)
        assert "top_k" in assert_problem(twice, 422, "validation_failed")["detail"]

    @pytest.mark.parametrize("name", ["images.zip", "loose"])
    def test_a_change_before_the_job_runs_is_the_error_of_the_job(
        self, client: FlaskClient, model: ModelVersion, settings: Settings, imports: Path, name: str
    ) -> None:
        job_id = posted(client, f"/v1/batch-jobs?model={model.model}", source(imports, name))["id"]
        changed = imports / name if name == "images.zip" else next((imports / name).rglob("*.png"))
        changed.write_bytes(changed.read_bytes() + b"more")
        _, job = run(settings, job_id)
        assert job.state is State.FAILED
        assert job.error is not None
        assert job.error["code"] == "source_changed"
        assert str(changed) in job.error["detail"]
        assert_problem(client.get(f"/v1/jobs/{job_id}/images"), 409, "source_changed")

    def test_a_change_while_a_shard_is_read_gives_no_rows_of_that_shard(
        self,
        client: FlaskClient,
        model: ModelVersion,
        settings: Settings,
        imports: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        job_id = posted(client, f"/v1/batch-jobs?model={model.model}", source(imports, "images.zip"))["id"]
        read = Contents.read

        def change_then_read(contents: Contents, index: int) -> bytes:
            if index == 5:
                os.utime(imports / "images.zip", ns=(0, 1))
            return read(contents, index)

        monkeypatch.setattr(Contents, "read", change_then_read)
        batches, job = run(settings, job_id)
        assert job.error is not None
        assert job.error["code"] == "source_changed"
        assert len(batches.rows(job)) == 4

    def test_a_source_that_was_removed_is_the_error_of_the_job(
        self, client: FlaskClient, model: ModelVersion, settings: Settings, imports: Path
    ) -> None:
        job_id = posted(client, f"/v1/batch-jobs?model={model.model}", source(imports, "images.zip"))["id"]
        (imports / "images.zip").unlink()
        error = run(settings, job_id)[1].error
        assert error is not None
        assert error["code"] == "source_not_found"
        assert_problem(client.get(f"/v1/jobs/{job_id}/images"), 404, "source_not_found")


class TestSeveralArchives:
    def test_the_rows_of_several_archives_are_one_batch_and_their_paths_begin_with_the_archive(
        self, client: FlaskClient, model: ModelVersion, settings: Settings, volume: Volume, imports: Path
    ) -> None:
        names = ("images.zip", "images.npy", "images.tar.gz", "loose")
        archives = [source(imports, name) for name in names]

        submitted = posted(client, f"/v1/batch-jobs?model={model.model}&invert=never", {"archives": archives})

        described = submitted["request"]["archives"]
        assert described == [{"name": name, **archive} for name, archive in zip(names, archives, strict=True)]
        assert submitted["progress"]["total"] == 4 * len(FILES)
        assert files_below(volume.incoming) == []
        (imports / "images.tar.gz").unlink()
        batches, job = run(settings, submitted["id"])
        assert job.state is State.SUCCEEDED
        of_files = {row["path"]: row["label"] for row in batches.rows(batches.run(zip_of(FILES)))}
        of_array = {row["path"]: row["label"] for row in batches.rows(batches.run(npy(IMAGES)))}
        expected = {
            f"{name}/{path}": label
            for name in names
            for path, label in (of_array if name == "images.npy" else of_files).items()
        }
        rows = batches.rows(job)
        assert {row["path"]: row["label"] for row in rows} == expected
        assert [row["path"].partition("/")[0] for row in rows] == [name for name in names for _ in FILES]
        assert client.get(f"/v1/jobs/{job.id}/images?from=10&count=30").status_code == 200

    def test_a_bad_archive_is_named_in_the_error_and_nothing_is_kept(
        self, client: FlaskClient, model: ModelVersion, volume: Volume, imports: Path
    ) -> None:
        (imports / "bad.zip").write_bytes(b"no zip")
        good, bad, missing = (source(imports, name) for name in ("images.zip", "bad.zip", "none.zip"))
        path = f"/v1/batch-jobs?model={model.model}"

        unsupported = assert_problem(client.post(path, json={"archives": [good, bad]}), 415, "archive_expected")
        absent = assert_problem(client.post(path, json={"archives": [good, missing]}), 404, "source_not_found")
        url = {"source": {"url": "ftp://elsewhere"}, "name": "third"}
        invalid = assert_problem(client.post(path, json={"archives": [good, good, url]}), 422, "source_invalid")

        assert unsupported["detail"].startswith("bad.zip: ")
        assert absent["detail"].startswith("none.zip: ")
        assert invalid["detail"].startswith("third: ")
        assert pointers(invalid) == ["#/archives/2/source/url"]
        assert files_below(volume.incoming) == []

    def test_archives_of_the_same_name_get_their_numbers(
        self, client: FlaskClient, model: ModelVersion, imports: Path
    ) -> None:
        one = source(imports, "images.zip")
        archives = [one, one, {**one, "name": "Montag"}, {**one, "name": "images.zip (5)"}, one]

        request = posted(client, f"/v1/batch-jobs?model={model.model}", {"archives": archives})["request"]

        names = ["images.zip", "images.zip (2)", "Montag", "images.zip (5)", "images.zip (6)"]
        assert [archive["name"] for archive in request["archives"]] == names

    @pytest.mark.parametrize(
        "archives",
        [[], [{}], *([{"source": {"url": "file:///a.zip"}, "name": name}] for name in ("a/b", "..")), "a.zip"],
    )
    def test_a_wrong_list_of_archives_is_refused(self, client: FlaskClient, model: ModelVersion, archives: Any) -> None:
        problem = client.post(f"/v1/batch-jobs?model={model.model}", json={"archives": archives})

        assert "#/archives" in pointers(assert_problem(problem, 422, "validation_failed"))[0]


class TestDatasets:
    def test_a_data_set_of_a_folder_equals_that_of_its_archive(self, client: FlaskClient, imports: Path) -> None:
        made = posted(client, "/v1/datasets?name=loose", source(imports, "loose"))
        for name in ("images.zip", "images.tar.gz"):
            assert posted(client, "/v1/datasets?name=again", source(imports, name))["id"] == made["id"]

    def test_arrays_and_options_in_the_json(self, client: FlaskClient, imports: Path) -> None:
        body = {"name": "easy", "test_fraction": 0.2, **source(imports, "easy.npz")}
        assert client.post("/v1/datasets", json=body).status_code == 201

    def test_a_change_while_it_is_read_stores_nothing(
        self, client: FlaskClient, volume: Volume, imports: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pread = os.pread

        def change_then_read(*arguments: Any) -> bytes:
            os.utime(imports / "images.zip", ns=(0, 1))
            return pread(*arguments)

        monkeypatch.setattr(os, "pread", change_then_read)
        problem = client.post("/v1/datasets?name=changed", json=source(imports, "images.zip"))
        assert_problem(problem, 409, "source_changed")
        assert left_behind(volume) == []
        assert client.get("/v1/datasets").get_json()["items"] == []


class TestErrors:
    @pytest.mark.parametrize(
        ("url", "status", "code"),
        [
            ("file:///etc/hostname", 403, "source_not_allowed"),
            ("file:///no/such/file", 403, "source_not_allowed"),
            ("file://{imports}/missing.zip", 404, "source_not_found"),
            ("file://{imports}/../secret.zip", 422, "source_invalid"),
            ("file://host/images.zip", 422, "source_invalid"),
            ("ftp://example.org/images.zip", 422, "source_invalid"),
            ("images.zip", 422, "source_invalid"),
            ("", 422, "source_invalid"),
        ],
    )
    def test_wrong_sources_are_refused(
        self, client: FlaskClient, model: ModelVersion, imports: Path, volume: Volume, url: str, status: int, code: str
    ) -> None:
        body = {"source": {"url": url.format(imports=imports)}}
        for path in (f"/v1/batch-jobs?model={model.model}", "/v1/datasets?name=wrong"):
            problem = assert_problem(client.post(path, json=body), status, code)
            if status == 422:
                assert pointers(problem) == ["#/source/url"]
        assert files_below(volume.incoming) == []

    @pytest.mark.parametrize("body", [{}, {"source": None}, {"source": {}}, {"source": {"url": 7}}, {"other": 1}, []])
    def test_other_json_is_refused(self, client: FlaskClient, body: Any) -> None:
        assert_problem(client.post("/v1/datasets?name=wrong", json=body), 422, "validation_failed")

    def test_without_the_setting_nothing_may_be_named(self, settings: Settings, imports: Path) -> None:
        client = create_app(settings.model_copy(update={"import_folders": ()})).test_client()
        problem = assert_problem(
            client.post("/v1/datasets?name=easy", json=source(imports, "easy.npz")), 403, "source_not_allowed"
        )
        assert "GLASSBOX_IMPORT_FOLDERS" in problem["detail"]


class TestDownloads:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"source_allow_private": True})

    def test_a_batch_of_a_url_is_that_of_an_upload_and_its_record_has_no_signature(
        self, client: FlaskClient, model: ModelVersion, settings: Settings, volume: Volume
    ) -> None:
        with scripted(reply(zip_of(FILES))) as server:
            body = {"source": {"url": f"{server.url}/images.zip?signature=hunter2"}}
            submitted = posted(client, f"/v1/batch-jobs?model={model.model}", body)
        assert submitted["request"]["source"] == {"url": f"{server.url}/images.zip?…"}
        assert run(settings, submitted["id"])[1].state is State.SUCCEEDED
        assert files_below(volume.incoming) == []
        assert b"hunter2" not in volume.specification(submitted["id"]).read_bytes()

    def test_a_data_set_of_a_url_equals_that_of_an_upload(self, client: FlaskClient) -> None:
        with scripted(reply(zip_of(FILES))) as server:
            made = posted(client, "/v1/datasets?name=pets", {"source": {"url": f"{server.url}/pets.zip"}})
        uploaded = client.post("/v1/datasets?name=pets", data=zip_of(FILES)).get_json()
        assert uploaded["id"] == made["id"]

    def test_a_tar_that_a_connection_without_a_length_cuts_is_refused(
        self, client: FlaskClient, model: ModelVersion, volume: Volume
    ) -> None:
        """Its first entries alone are a tar, too."""
        whole = tar_of(FILES)
        cut = 4 * BLOCK  # two headers and two small files

        def without_length(body: bytes) -> Reply:
            def reply(handler: BaseHTTPRequestHandler) -> None:
                handler.send_response(200)
                handler.end_headers()
                handler.wfile.write(body)
                handler.close_connection = True

            return reply

        with scripted(without_length(whole[:cut]), without_length(whole)) as server:
            path, body = f"/v1/batch-jobs?model={model.model}", {"source": {"url": f"{server.url}/images.tar"}}
            problem = assert_problem(client.post(path, json=body), 503, "source_unavailable")
            assert "states no length" in problem["detail"]
            assert files_below(volume.incoming) == []
            assert posted(client, path, body)["progress"]["total"] == len(FILES)

    def test_errors_name_the_field_and_leave_no_file(self, client: FlaskClient, volume: Volume) -> None:
        with scripted(reply(b"", 403)) as server:
            url = f"{server.url}/pets.zip?signature=hunter2"
            problem = assert_problem(
                client.post("/v1/datasets?name=pets", json={"source": {"url": url}}), 422, "source_refused"
            )
        assert pointers(problem) == ["#/source/url"]
        assert "hunter2" not in str(problem)
        assert left_behind(volume) == []

    def test_an_internal_address_is_refused_by_default(self, settings: Settings, volume: Volume) -> None:
        client = create_app(settings.model_copy(update={"source_allow_private": False})).test_client()
        body = {"source": {"url": "https://127.0.0.1/pets.zip"}}
        assert_problem(client.post("/v1/datasets?name=pets", json=body), 422, "source_internal")
        assert left_behind(volume) == []

    def test_the_number_of_downloads_at_once_is_limited(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(references, "MOST_DOWNLOADS", 0)
        client = create_app(settings).test_client()
        body = {"source": {"url": "https://127.0.0.1/pets.zip"}}
        assert_problem(client.post("/v1/datasets?name=pets", json=body), 503, "downloads_busy")
