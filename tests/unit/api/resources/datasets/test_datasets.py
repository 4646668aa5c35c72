"""`/v1/datasets`."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from shared.jobs import JobStore
from shared.registry import Registry
from shared.storage.volume import Volume
from tests.support.data.archives import zip_of
from tests.support.data.files import files_below, left_behind
from tests.support.data.folders import easy_folders
from tests.support.data.images import png
from tests.support.data.npz import easy_arrays, easy_images, npy, npy_header, npz, npz_of_members
from tests.support.data.tars import gzip_of, tar_of
from tests.support.objects.jobs import a_training
from tests.support.objects.models import publish
from tests.support.problems import assert_problem, parameters


def with_a_flipped_bit(content: bytes) -> bytes:
    flipped = bytearray(content)
    flipped[100_000] ^= 1
    return bytes(flipped)


def upload(client: FlaskClient, content: bytes, name: str = "easy", **options: Any) -> TestResponse:
    return client.post("/v1/datasets", data=content, query_string={"name": name, **options})


class TestUploading:
    def test_upload_creates_a_data_set(self, client: FlaskClient) -> None:
        response = upload(client, npz(easy_arrays(train=60, test=30)))

        assert response.status_code == 201
        created: Any = response.json
        assert created["id"].startswith("sha256:")
        assert created["name"] == "easy"
        assert created["image_shape"] == [6, 6]
        assert created["classes"] == ["0", "1", "2"]
        assert created["splits"] == {"train": 60, "test": 30}
        assert created["bytes"] == 90 * 36
        assert created["created_at"].endswith("Z")
        assert response.headers["Location"] == f"/v1/datasets/{created['id']}"
        assert client.get(response.headers["Location"]).json == created

    def test_upload_keeps_a_validation_split(self, client: FlaskClient) -> None:
        x, y = easy_images(12, seed=3)
        x[0] = easy_arrays()["x_train"][0]

        created: Any = upload(client, npz(easy_arrays() | {"val_images": x, "val_labels": y})).json

        assert created["splits"] == {"train": 60, "validation": 12, "test": 30}
        assert created["class_counts"]["validation"] == [4, 4, 4]
        assert created["duplicates"]["validation_in_train"] == 1
        assert created["chosen"]["validation"].startswith("the 12 images in val_images are not trained on")
        assert client.get(f"/v1/datasets/{created['id']}").json == created

    def test_upload_of_the_same_content_creates_no_new_data_set(self, client: FlaskClient) -> None:
        first = upload(client, npz())
        again = upload(client, npz(compressed=True))

        assert again.status_code == 200
        assert again.json == first.json
        assert again.headers["Location"] == first.headers["Location"]

    def test_options_split_unsplit_arrays(self, client: FlaskClient) -> None:
        images, labels = easy_images(90)

        response = upload(client, npz({"x": images, "y": labels}), test_fraction=0.5, seed=1)

        assert response.json is not None
        assert response.json["splits"] == {"train": 45, "test": 45}

    @pytest.mark.parametrize(
        ("query", "named"),
        [
            ({}, "name"),
            ({"name": "Not A Name"}, "name"),
            ({"name": "../easy"}, "name"),
            ({"name": ""}, "name"),
            ({"name": "easy", "test_fraction": "0"}, "test_fraction"),
            ({"name": "easy", "test_fraction": "1"}, "test_fraction"),
            ({"name": "easy", "test_fraction": "nan"}, "test_fraction"),
            ({"name": "easy", "test_fraction": "some"}, "test_fraction"),
            ({"name": "easy", "seed": "-1"}, "seed"),
            ({"name": "easy", "image_shape": "28"}, "image_shape"),
            ({"name": "easy", "image_shape": "0x28"}, "image_shape"),
            ({"name": "easy", "image_shape": "28x28"}, "image_shape"),  # arrays are not resized
            ({"name": "easy", "colour": "red"}, "colour"),
            ({"name": "easy", "channels": "2"}, "channels"),
            ({"name": "easy", "channels": "rgb"}, "channels"),
            ({"name": "easy", "channels": ""}, "channels"),
            ({"name": "easy", "channels": "3"}, "channels"),  # arrays keep their channels
        ],
    )
    def test_invalid_option_is_reported(
        self, client: FlaskClient, volume: Volume, query: dict[str, str], named: str
    ) -> None:
        response = client.post("/v1/datasets", data=npz(), query_string=query)

        assert parameters(assert_problem(response, 422, "validation_failed")) == [named]
        assert left_behind(volume) == []

    @pytest.mark.parametrize(
        ("content", "status", "code"),
        [
            (b"text", 415, "dataset_expected"),
            (npz_of_members({"y_train": npy(np.array([{}] * 60, dtype=object))}), 422, "npz_pickled"),
            (npz({"x_train": easy_arrays()["x_train"]}), 422, "npz_array_missing"),
            (npz(easy_arrays() | {"y_train": np.arange(7)}), 422, "npz_mismatch"),
            (npz(easy_arrays() | {"x_test": np.zeros((30, 9, 9), np.uint8)}), 422, "npz_mismatch"),
            (npz(easy_arrays() | {"x_test": np.zeros((30, 6, 6))}), 422, "npz_images"),
            (npz(easy_arrays() | {"y_test": np.zeros(30)}), 422, "npz_labels"),
            (
                npz_of_members({"x_train": npy_header(f"{{'descr':'|u1','fortran_order':False,'shape':({10**13},)}}")}),
                422,
                "npz_header",
            ),
            (npz()[:-200], 415, "dataset_expected"),
            (npz_of_members({"x_train": b"damaged"}), 422, "npz_header"),
            (with_a_flipped_bit(npz(easy_arrays(side=64))), 422, "npz_damaged"),
        ],
        ids=[
            "no npz", "pickled", "missing", "too few labels", "shapes", "floats", "float labels", "terabytes",
            "truncated", "no array", "damaged",
        ],
    )  # fmt: skip
    def test_invalid_file_is_rejected_and_leaves_no_files(
        self, client: FlaskClient, volume: Volume, content: bytes, status: int, code: str
    ) -> None:
        assert_problem(upload(client, content), status, code)

        assert left_behind(volume) == []

    def test_upload_needs_no_redis(self, client_without_redis: FlaskClient) -> None:
        assert upload(client_without_redis, npz()).status_code == 201


class TestShowing:
    def test_data_set_is_found_by_name_and_id(self, client: FlaskClient) -> None:
        created: Any = upload(client, npz()).json

        assert client.get("/v1/datasets/easy").json == created
        assert client.get(f"/v1/datasets/{created['id']}").json == created

    @pytest.mark.parametrize("name", ["digits", "mnist", "fashion-mnist"])
    @pytest.mark.parametrize("as_form", [False, True], ids=["query", "form"])
    def test_name_of_a_built_in_data_set_is_refused(
        self, client: FlaskClient, volume: Volume, name: str, as_form: bool
    ) -> None:
        if as_form:
            form = {"name": name, "file": (io.BytesIO(npz()), "a.npz")}
            response = client.post("/v1/datasets", data=form)
        else:
            response = upload(client, npz(), name=name)

        problem = assert_problem(response, 422, "validation_failed")
        assert problem["errors"][0]["parameter"] == "name"
        assert f"{name} is a built-in data set; choose another name, such as my-{name}" in problem["detail"]
        assert files_below(volume.root) == []

    @pytest.mark.parametrize(
        "name", ["Mnist", "MNIST", "mnist ", "mnist\n", "mnıst", "ｍnist", "mnist\u200b", "m\u0301nist"]
    )
    def test_name_that_only_looks_like_another_one_is_refused(self, client: FlaskClient, name: str) -> None:
        assert_problem(upload(client, npz(), name=name), 422, "validation_failed")

    @pytest.mark.parametrize("reference", ["unknown", "sha256:" + "0" * 64, "..", "names", "a%00b"])
    def test_unknown_data_set_is_not_found(self, client: FlaskClient, reference: str) -> None:
        assert_problem(client.get(f"/v1/datasets/{reference}"), 404, "dataset_not_found")

    def test_list_names_built_in_data_sets_that_reading_prepares(self, client: FlaskClient) -> None:
        def prepared() -> dict[str, tuple[str, bool]]:
            known = client.get("/v1/datasets").get_json()["built_in"]
            return {one["name"]: (one["origin"], one["prepared"]) for one in known}

        unused = {"mnist": ("download", False), "fashion-mnist": ("download", False)}
        assert prepared() == {"digits": ("included", False)} | unused
        assert client.get("/v1/datasets/digits").get_json()["splits"] == {"train": 1438, "test": 359}
        assert prepared() == {"digits": ("included", True)} | unused

    def test_data_sets_are_listed_in_pages(self, client: FlaskClient) -> None:
        ids = {upload(client, npz(easy_arrays(seed=seed))).get_json()["id"] for seed in range(3)}

        first: Any = client.get("/v1/datasets?limit=2").json
        second: Any = client.get("/v1/datasets", query_string={"limit": 2, "after": first["next"]}).json

        assert (len(first["items"]), len(second["items"]), second["next"]) == (2, 1, None)
        assert {item["id"] for item in first["items"] + second["items"]} == ids

    def test_list_without_data_sets_is_empty(self, client: FlaskClient) -> None:
        found: Any = client.get("/v1/datasets").json
        assert (found["items"], found["next"]) == ([], None)


class TestDeleting:
    def test_delete_by_id_removes_the_data_set_and_all_its_names(self, client: FlaskClient, volume: Volume) -> None:
        created: Any = upload(client, npz()).json
        upload(client, npz(), name="other")

        assert client.delete(f"/v1/datasets/{created['id']}").status_code == 204

        for reference in (created["id"], "easy", "other"):
            assert_problem(client.get(f"/v1/datasets/{reference}"), 404, "dataset_not_found")
        assert client.get("/v1/datasets").get_json()["items"] == []
        assert files_below(volume.root) == []

    def test_delete_of_one_of_two_names_keeps_the_data_set(self, client: FlaskClient) -> None:
        created: Any = upload(client, npz()).json
        upload(client, npz(), name="other")

        assert client.delete("/v1/datasets/easy").status_code == 204

        assert_problem(client.get("/v1/datasets/easy"), 404, "dataset_not_found")
        assert client.get("/v1/datasets/other").get_json()["id"] == created["id"]
        assert client.get(f"/v1/datasets/{created['id']}").get_json()["name"] == "other"
        event = client.get("/v1/events", headers={"Accept": "application/json"}).get_json()["items"][-1]
        assert (event["type"], event["data"]) == ("dataset_name_deleted", {"dataset": created["id"], "name": "easy"})

    def test_delete_of_the_last_name_deletes_the_data_set(self, client: FlaskClient, volume: Volume) -> None:
        created: Any = upload(client, npz()).json

        assert client.delete("/v1/datasets/easy").status_code == 204

        assert_problem(client.get(f"/v1/datasets/{created['id']}"), 404, "dataset_not_found")
        assert files_below(volume.root) == []

    def test_delete_of_a_moved_name_deletes_its_current_data_set(self, client: FlaskClient) -> None:
        first: Any = upload(client, npz(easy_arrays(seed=1))).json
        second: Any = upload(client, npz(easy_arrays(seed=2))).json

        client.delete("/v1/datasets/easy")

        assert client.get(f"/v1/datasets/{first['id']}").status_code == 200
        assert client.get(f"/v1/datasets/{second['id']}").status_code == 404

    def test_deleted_data_set_can_be_uploaded_again(self, client: FlaskClient) -> None:
        created: Any = upload(client, npz()).json
        client.delete("/v1/datasets/easy")

        again = upload(client, npz())

        assert (again.status_code, again.get_json()["id"]) == (201, created["id"])

    @pytest.mark.parametrize("reference", ["unknown", "sha256:" + "0" * 64, "..", "names"])
    def test_delete_of_an_unknown_data_set_is_not_found(self, client: FlaskClient, reference: str) -> None:
        assert_problem(client.delete(f"/v1/datasets/{reference}"), 404, "dataset_not_found")

    def test_invalid_option_is_reported(self, client: FlaskClient) -> None:
        upload(client, npz())

        assert parameters(assert_problem(client.delete("/v1/datasets/easy?force=maybe"), 422, "validation_failed"))


class TestDeletingUsedDataSets:
    @pytest.fixture
    def trained_on(self, client: FlaskClient, registry: Registry) -> str:
        """The id of a data set, `easy`, that the version `toy@1` was trained on."""
        dataset: str = upload(client, npz()).get_json()["id"]
        publish(registry, dataset=dataset)
        return dataset

    def test_data_set_used_by_a_version_is_not_deleted(self, client: FlaskClient, trained_on: str) -> None:
        for reference in ("easy", trained_on):
            problem = assert_problem(client.delete(f"/v1/datasets/{reference}"), 409, "dataset_in_use")
            assert "toy@1" in problem["detail"]

        assert client.get("/v1/datasets/easy").status_code == 200

    def test_one_of_several_names_of_a_used_data_set_can_be_deleted(self, client: FlaskClient, trained_on: str) -> None:
        upload(client, npz(), name="other")

        assert client.delete("/v1/datasets/easy").status_code == 204
        assert client.get(f"/v1/datasets/{trained_on}").status_code == 200

    def test_force_deletes_a_used_data_set(self, client: FlaskClient, trained_on: str) -> None:
        assert client.delete("/v1/datasets/easy?force=true").status_code == 204

        assert client.get(f"/v1/datasets/{trained_on}").status_code == 404
        assert client.get("/v1/models/toy/versions/1").status_code == 200

    def test_data_set_used_by_an_active_job_is_not_deleted(self, client: FlaskClient, jobs: JobStore) -> None:
        dataset: str = upload(client, npz()).get_json()["id"]
        job = a_training(specification={"dataset": dataset})
        jobs.create(job)

        problem = assert_problem(client.delete("/v1/datasets/easy"), 409, "dataset_in_use")
        assert job.id in problem["detail"]

        jobs.cancel(job.id)
        assert client.delete("/v1/datasets/easy").status_code == 204

    def test_jobs_and_versions_of_another_data_set_do_not_count(
        self, client: FlaskClient, jobs: JobStore, trained_on: str
    ) -> None:
        upload(client, npz(easy_arrays(seed=7)), name="free")
        jobs.create(a_training(specification={"dataset": trained_on}))

        assert client.delete("/v1/datasets/free").status_code == 204

    def test_error_names_a_few_of_many_users(self, client: FlaskClient, jobs: JobStore, trained_on: str) -> None:
        for _ in range(20):
            jobs.create(a_training(specification={"dataset": trained_on}))

        problem = assert_problem(client.delete("/v1/datasets/easy"), 409, "dataset_in_use")

        assert problem["detail"].count("job ") == 9
        assert "and 11 more" in problem["detail"]

    def test_used_data_set_is_not_deleted_without_redis(
        self, client: FlaskClient, client_without_redis: FlaskClient
    ) -> None:
        upload(client, npz())

        assert_problem(client_without_redis.delete("/v1/datasets/easy"), 503, "redis_unavailable")
        assert client.get("/v1/datasets/easy").status_code == 200


class TestArchivesOfFolders:
    def test_archive_of_folders_is_a_data_set(self, client: FlaskClient) -> None:
        response = upload(client, zip_of(easy_folders()), name="pets")

        assert response.status_code == 201
        created: Any = response.json
        assert (created["image_shape"], created["classes"]) == ([6, 6], ["ant", "bee", "cat"])
        assert created["splits"] == {"train": 27, "test": 3}

    def test_options_split_and_resize_an_archive(self, client: FlaskClient) -> None:
        archive = tar_of(easy_folders())

        response = upload(client, archive, name="pets", test_fraction=0.5, seed=1, image_shape="4x5")

        created: Any = response.json
        assert (created["image_shape"], created["splits"]) == ([4, 5], {"train": 15, "test": 15})

    def test_response_says_what_was_chosen_from_the_images(self, client: FlaskClient) -> None:
        red = png(np.full((7, 9, 3), (200, 0, 0), np.uint8))

        response = upload(client, zip_of(easy_folders() | {"bee/red.png": red}), name="pets")

        created: Any = response.json
        assert created["image_shape"] == [8, 8, 3]
        assert created["chosen"]["image_shape"].startswith("8 × 8, chosen for 31 images")
        assert created["chosen"]["channels"].startswith("3 (red, green and blue)")
        assert created["colour_dropped"] is False
        assert client.get("/v1/datasets/pets").json == created

    def test_channels_are_set_by_a_form_or_the_query(self, client: FlaskClient) -> None:
        archive = zip_of(easy_folders() | {"bee/red.png": png(np.full((6, 6, 3), (200, 0, 0), np.uint8))})
        form = {"name": "gray", "channels": "1", "file": (io.BytesIO(archive), "pets.zip")}

        gray: Any = client.post("/v1/datasets", data=form).json
        coloured: Any = upload(client, archive, name="coloured", channels=3).json

        assert (gray["image_shape"], gray["colour_dropped"]) == ([6, 6], True)
        assert gray["chosen"].keys() == {"image_shape"}
        assert (coloured["image_shape"], coloured["colour_dropped"]) == ([6, 6, 3], False)

    def test_array_of_images_in_colour_is_a_data_set(self, client: FlaskClient) -> None:
        images, labels = easy_images(30)

        created: Any = upload(client, npz({"x": np.stack([images] * 3, axis=-1), "y": labels})).json

        assert (created["image_shape"], created["chosen"]) == ([6, 6, 3], {})

    def test_compressed_tar_is_accepted(self, client: FlaskClient) -> None:
        assert upload(client, gzip_of(tar_of(easy_folders())), name="pets").status_code == 201

    @pytest.mark.parametrize(
        ("entries", "code"),
        [
            ({"bee/bad.png": b"no image"}, "dataset_images"),
            ({"lost.png": b"text"}, "dataset_layout"),
            ({"../bee/x.png": b""}, "archive_path"),
        ],
    )
    def test_invalid_archive_is_rejected_and_leaves_no_files(
        self, client: FlaskClient, volume: Volume, entries: dict[str, bytes], code: str
    ) -> None:
        assert_problem(upload(client, zip_of(easy_folders() | entries), name="pets"), 422, code)

        assert left_behind(volume) == []
