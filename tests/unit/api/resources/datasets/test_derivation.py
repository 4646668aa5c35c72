"""`POST /v1/datasets/{ref}/derive`."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray
from werkzeug.test import TestResponse

from api.resources.datasets import changes as request_changes
from shared.datasets import DatasetStore
from shared.datasets.folders.decoding_time import DecodingTime
from shared.jobs import JobStore
from shared.registry import Registry
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.support.data.archives import zip_of
from tests.support.data.images import encoded, png, smooth
from tests.support.data.npz import easy_arrays, easy_images, npy, npz
from tests.support.objects.batches import Batches
from tests.support.objects.bench import WorkBench
from tests.support.objects.jobs import a_training
from tests.support.objects.models import publish
from tests.support.problems import assert_problem, parameters, pointers

Arrays = dict[str, NDArray[Any]]

NEW, _ = easy_images(10, seed=3)  # images that the data set does not have


@pytest.fixture
def arrays(client: FlaskClient) -> Arrays:
    """The arrays of the stored data set `easy`, with the classes 0, 1 and 2."""
    arrays = easy_arrays()
    client.post("/v1/datasets?name=easy", data=npz(arrays))
    return arrays


@pytest.fixture
def batches(settings: Settings, registry: Registry) -> Batches:
    publish(registry)
    return Batches(WorkBench(settings))


def derive(client: FlaskClient, changes: dict[str, Any] | None = None, ref: str = "easy", **query: Any) -> TestResponse:
    return client.post(f"/v1/datasets/{ref}/derive", json=changes or {}, query_string=query)


def derived(client: FlaskClient, changes: dict[str, Any] | None = None, status: int = 201, **query: Any) -> Any:
    """Derive a data set; return its JSON."""
    response = derive(client, changes, **query)
    assert response.status_code == status, response.text
    return response.get_json()


def loaded(datasets: DatasetStore, document: Any) -> Arrays:
    _, arrays = datasets.load(document["id"])
    found: Arrays = {}
    for part, (images, labels) in arrays.splits.items():
        found |= {f"x_{part}": images, f"y_{part}": labels}
    return found


class TestChanges:
    def test_removed_and_relabelled_images_change_in_their_splits(
        self, client: FlaskClient, arrays: Arrays, datasets: DatasetStore
    ) -> None:
        label = str((arrays["y_train"][7] + 1) % 3)
        changes = {
            "relabel": [{"split": "train", "index": 7, "label": label}],
            "remove": [{"split": "train", "index": 0}, {"split": "test", "index": 29}],
        }
        source = client.get("/v1/datasets/easy").get_json()

        document = derived(client, changes)

        new = loaded(datasets, document)
        expected = arrays["y_train"].copy()
        expected[7] = int(label)
        assert np.array_equal(new["x_train"], arrays["x_train"][1:])
        assert np.array_equal(new["y_train"], expected[1:])
        assert np.array_equal(new["x_test"], arrays["x_test"][:29])
        assert document["source"] == "derived"
        assert document["provenance"] == {
            "derived_from": source["id"],
            "added": 0,
            "relabelled": 1,
            "removed": 2,
            "new_classes": [],
            "jobs": {},
            "datasets": {},
            "uploaded": 0,
            "by": None,
        }
        assert client.get("/v1/datasets/easy").get_json() == document
        assert client.get("/v1/datasets").get_json()["items"][0] == document
        assert client.get(f"/v1/datasets/{source['id']}").get_json()["splits"] == {"train": 60, "test": 30}

    def test_entries_of_a_batch_are_added_as_the_batch_decodes_them(
        self, client: FlaskClient, arrays: Arrays, datasets: DatasetStore, batches: Batches
    ) -> None:
        large = np.kron(NEW[2], np.ones((4, 4), np.uint8)).astype(np.uint8)
        job = batches.submit(zip_of({"a.png": png(NEW[0]), "b.png": png(NEW[1]), "c.png": png(large)}), invert="always")
        add = [{"job": job.id, "index": 2, "label": "2"}, {"job": job.id, "index": 0, "label": "1"}]

        document = derived(client, {"add": add}, name="corrected")

        new = loaded(datasets, document)
        assert np.array_equal(new["x_train"][60:], 255 - NEW[[0, 2]])
        assert new["y_train"][60:].tolist() == [1, 2]
        assert np.array_equal(new["x_train"][:60], arrays["x_train"])
        assert document["provenance"]["jobs"] == {job.id: 2}
        assert client.get("/v1/datasets/easy").get_json()["provenance"] is None
        assert derived(client, {"add": add[::-1]}, 200, name="again")["id"] == document["id"]

    def test_arrays_of_a_batch_are_added(
        self, client: FlaskClient, arrays: Arrays, datasets: DatasetStore, batches: Batches
    ) -> None:
        job = batches.submit(npy(NEW))

        document = derived(client, {"add": [{"job": job.id, "index": 4, "label": "0"}]}, split="test")

        assert np.array_equal(loaded(datasets, document)["x_test"][30:], NEW[[4]])
        assert len(arrays["x_test"]) == 30

    @pytest.mark.usefixtures("arrays")
    def test_images_of_another_data_set_are_resized(self, client: FlaskClient, datasets: DatasetStore) -> None:
        large = {
            name: np.kron(x, np.ones((2, 2), np.uint8)) if x.ndim == 3 else x for name, x in easy_arrays(seed=5).items()
        }
        other = client.post("/v1/datasets?name=other", data=npz(large)).get_json()
        add = [{"dataset": "other", "split": "test", "index": 3, "label": "1"}]

        document = derived(client, {"add": add})

        assert np.array_equal(loaded(datasets, document)["x_train"][60], large["x_test"][3][::2, ::2])
        assert document["provenance"]["datasets"] == {other["id"]: 1}

    def test_an_image_moves_to_another_split(self, client: FlaskClient, arrays: Arrays, datasets: DatasetStore) -> None:
        moved = {"split": "test", "index": 4}
        label = str(arrays["y_test"][4])

        document = derived(client, {"remove": [moved], "add": [{"dataset": "easy", **moved, "label": label}]})

        new = loaded(datasets, document)
        assert np.array_equal(new["x_train"][60], arrays["x_test"][4])
        assert np.array_equal(new["x_test"], np.delete(arrays["x_test"], 4, axis=0))
        assert document["skipped"] == {}

    def test_colour_and_a_validation_split_are_kept(
        self, client: FlaskClient, datasets: DatasetStore, batches: Batches
    ) -> None:
        arrays = {name: np.stack([x, x // 2, x], -1) if x.ndim == 3 else x for name, x in easy_arrays().items()}
        arrays |= {"x_val": arrays["x_test"][:12] // 2, "y_val": arrays["y_test"][:12]}
        client.post("/v1/datasets?name=easy", data=npz(arrays))
        job = batches.submit(zip_of({"a.png": png(NEW[0])}))
        changes = {
            "add": [{"job": job.id, "index": 0, "label": "1"}],
            "relabel": [{"split": "validation", "index": 1, "label": "fox"}],
        }
        assert_problem(derive(client, changes, split="validation", new_classes=True), 422, "dataset_classes")
        changes["relabel"] = [{"split": "validation", "index": 1, "label": "0"}]

        document = derived(client, changes, split="validation")

        new = loaded(datasets, document)
        assert document["image_shape"] == [6, 6, 3]
        assert np.array_equal(new["x_validation"][:12], arrays["x_val"])
        assert np.array_equal(new["x_validation"][12], np.stack([NEW[0]] * 3, -1))
        assert new["y_validation"][[1, 12]].tolist() == [0, 1]
        assert np.array_equal(new["x_train"], arrays["x_train"])

    def test_new_classes_follow_the_others(self, client: FlaskClient, arrays: Arrays, datasets: DatasetStore) -> None:
        changes = {
            "relabel": [
                {"split": "train", "index": 5, "label": "<b>ox</b>"},
                {"split": "train", "index": 6, "label": "cat"},
            ]
        }
        problem = assert_problem(derive(client, changes), 422, "dataset_classes")
        assert "new_classes=true" in problem["detail"]

        document = derived(client, changes, new_classes=True)

        assert document["classes"] == ["0", "1", "2", "<b>ox</b>", "cat"]
        assert document["provenance"]["new_classes"] == ["<b>ox</b>", "cat"]
        assert loaded(datasets, document)["y_train"][5:7].tolist() == [3, 4]
        assert np.array_equal(loaded(datasets, document)["x_train"], arrays["x_train"])

    def test_no_change_gives_the_data_set_itself(self, client: FlaskClient, arrays: Arrays) -> None:
        source = client.get("/v1/datasets/easy").get_json()
        same = {"relabel": [{"split": "train", "index": 0, "label": str(arrays["y_train"][0])}]}

        assert derived(client, {}, 200) == source
        assert derived(client, same, 200) == source

    def test_opposite_changes_give_the_source_again(self, client: FlaskClient, arrays: Arrays) -> None:
        source = client.get("/v1/datasets/easy").get_json()["id"]
        before = str(arrays["y_train"][0])
        derived(client, {"relabel": [{"split": "train", "index": 0, "label": "1" if before == "2" else "2"}]})

        document = derived(client, {"relabel": [{"split": "train", "index": 0, "label": before}]}, 200)

        assert (document["id"], document["provenance"]) == (source, None)


@pytest.mark.usefixtures("arrays")
class TestUploads:
    def send(self, client: FlaskClient, files: dict[str, bytes], **fields: Any) -> TestResponse:
        form = {"file": (io.BytesIO(zip_of(files)), "images.zip"), **fields}
        return client.post("/v1/datasets/easy/derive", data=form, content_type="multipart/form-data")

    def test_images_of_one_class_are_added_with_other_changes(
        self, client: FlaskClient, datasets: DatasetStore, arrays: Arrays
    ) -> None:
        files = {"more/1/a.png": png(NEW[0]), "more/1/b.png": png(NEW[1])}
        response = self.send(client, files, changes=json.dumps({"remove": [{"split": "train", "index": 0}]}))

        assert response.status_code == 201, response.text
        new = loaded(datasets, response.get_json())
        assert np.array_equal(new["x_train"], np.concatenate([arrays["x_train"][1:], NEW[:2]]))
        assert new["y_train"][59:].tolist() == [1, 1]
        assert response.get_json()["provenance"] | {"derived_from": ""} == {
            "derived_from": "",
            "added": 2,
            "relabelled": 0,
            "removed": 1,
            "new_classes": [],
            "jobs": {},
            "datasets": {},
            "uploaded": 2,
            "by": None,
        }

    def test_damaged_images_are_reported_or_skipped(self, client: FlaskClient, datasets: DatasetStore) -> None:
        damaged = png(NEW[1])[:-30]
        files = {"1/a.png": png(NEW[0]), "1/b.png": damaged, "2/c.png": png(NEW[2])}
        assert_problem(self.send(client, files), 422, "dataset_images")

        document = self.send(client, files, on_unreadable="skip").get_json()

        assert document["provenance"]["uploaded"] == 2
        assert [files["names"] for files in document["skipped"].values()] == [["1/b.png"]]
        assert np.array_equal(loaded(datasets, document)["x_train"][60:], NEW[[0, 2]])

    def test_copies_are_skipped(self, client: FlaskClient, arrays: Arrays) -> None:
        label = arrays["y_train"][0]
        files = {
            "0/new.png": png(NEW[0]),
            "0/newer.png": png(NEW[0]),
            "1/test.png": png(arrays["x_test"][3]),
            f"{label}/train.png": png(arrays["x_train"][0]),
        }

        document = self.send(client, files).get_json()

        assert document["splits"] == {"train": 61, "test": 30}
        assert document["skipped"] == {
            "in_other_split": {"count": 1, "names": ["1/test.png"]},
            "already_present": {"count": 2, "names": sorted(["0/newer.png", f"{label}/train.png"])},
        }
        assert [warning.partition(",")[0] for warning in document["warnings"]] == [
            "1 image was not added to train",
            "2 images were not added to train",
        ]
        assert document["duplicates"]["test_in_train"] == 0

    @pytest.mark.parametrize(
        ("files", "status", "code"),
        [
            ({"train/1/a.png": png(NEW[0]), "test/1/b.png": png(NEW[1])}, 422, "dataset_layout"),
            ({"fox/a.png": png(NEW[0])}, 422, "dataset_classes"),
            ({"x.npy": npy(NEW), "y.npy": npy(np.zeros(10, np.int64))}, 415, "dataset_expected"),
        ],
    )
    def test_other_uploads_are_refused(
        self, client: FlaskClient, files: dict[str, bytes], status: int, code: str
    ) -> None:
        assert_problem(self.send(client, files), status, code)

    def test_errors_in_the_part_changes_name_it(self, client: FlaskClient) -> None:
        files = {"1/a.png": png(NEW[0])}
        for changes in ('{"remove": [{"split": "train", "index": 60}]}', "{", '{"add": [{"index": 1}]}'):
            problem = assert_problem(self.send(client, files, changes=changes), 422, "validation_failed")
            assert parameters(problem) == ["changes"]


class TestNames:
    @pytest.mark.usefixtures("arrays")
    def test_name_that_has_moved_on_does_not_move_back(self, client: FlaskClient) -> None:
        source = client.get("/v1/datasets/easy").get_json()["id"]
        first = derived(client, {"remove": [{"split": "train", "index": 0}]}, ref=source)
        second = {"remove": [{"split": "train", "index": 1}]}

        problem = assert_problem(derive(client, second, ref=source), 409, "dataset_name_moved")
        assert first["id"] in problem["detail"]
        assert client.get("/v1/datasets/easy").get_json()["id"] == first["id"]
        assert derived(client, second, ref=source, name="other")["name"] == "other"

    def test_built_in_name_does_not_move(self, client: FlaskClient, datasets: DatasetStore, volume: Volume) -> None:
        client.post("/v1/datasets?name=easy", data=npz())
        (volume.dataset_names / "digits").write_text(datasets.get("easy").digest)

        assert parameters(assert_problem(derive(client, ref="digits"), 422, "validation_failed")) == ["name"]
        assert derived(client, {"remove": [{"split": "train", "index": 0}]}, ref="digits", name="my-digits")


@pytest.mark.usefixtures("arrays")
class TestErrors:
    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"remove": [{"split": "train", "index": 60}]}, "#/remove/0/index"),
            ({"remove": [{"split": "train", "index": -1}]}, "#/remove/0/index"),
            ({"remove": [{"split": "validation", "index": 0}]}, "#/remove/0/split"),
            ({"remove": [{"split": "train", "index": 3}] * 2}, "#/remove/1"),
            ({"relabel": [{"split": "test", "index": 30, "label": "1"}]}, "#/relabel/0/index"),
            ({"relabel": [{"split": "test", "index": 0, "label": " "}]}, "#/relabel/0/label"),
            ({"relabel": [{"split": "test", "index": 3, "label": label} for label in "12"]}, "#/relabel/1"),
            (
                {
                    "remove": [{"split": "train", "index": 3}],
                    "relabel": [{"split": "train", "index": 3, "label": "1"}],
                },
                "#/relabel/0",
            ),
            ({"add": [{"index": 0, "label": "1"}]}, "#/add/0"),
            ({"add": [{"job": "x", "dataset": "y", "split": "test", "index": 0, "label": "1"}]}, "#/add/0"),
            ({"add": [{"dataset": "easy", "index": 0, "label": "1"}]}, "#/add/0"),
            ({"add": [{"dataset": "easy", "split": "test", "index": 30, "label": "1"}]}, "#/add/0/index"),
            ({"add": [{"dataset": "easy", "split": "test", "index": 0, "label": label} for label in "12"]}, "#/add/1"),
            ({"add": [{"job": str(n), "index": 0, "label": "1"} for n in range(21)]}, "#/add"),
            ({"drop": []}, "#/drop"),
        ],
    )
    def test_wrong_change_is_named(self, client: FlaskClient, changes: dict[str, Any], pointer: str) -> None:
        assert pointers(assert_problem(derive(client, changes), 422, "validation_failed")) == [pointer]

    def test_images_of_a_deleted_job_are_not_found(
        self, client: FlaskClient, batches: Batches, jobs: JobStore, volume: Volume
    ) -> None:
        training, batch = a_training(), batches.submit(zip_of({"a.png": png(NEW[0]), "b.png": b"none"}))
        jobs.create(training)

        def add(job: str, index: int = 0) -> TestResponse:
            return derive(client, {"add": [{"job": job, "index": index, "label": "1"}]})

        assert_problem(add(training.id), 409, "not_a_batch")
        assert pointers(assert_problem(add(batch.id, 2), 422, "validation_failed")) == ["#/add/0/index"]
        assert "image 1 of job" in assert_problem(add(batch.id, 1), 422, "dataset_images")["detail"]
        volume.archive(batch.id).unlink()
        assert_problem(add(batch.id), 404, "archive_not_found")
        problem = assert_problem(add("01k8z4y6w9m3n5p7q1r2s4t6v8"), 404, "job_not_found")
        assert "send them as a file" in problem["detail"]
        assert list(volume.datasets.glob(".tmp-*")) == []

    def test_costly_images_of_a_batch_are_refused(
        self, client: FlaskClient, batches: Batches, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = batches.submit(zip_of({"a.jpg": encoded(smooth(40, 40, seed=1), "JPEG")}))
        monkeypatch.setattr(request_changes, "DecodingTime", lambda _: DecodingTime(0.0))

        response = derive(client, {"add": [{"job": job.id, "index": 0, "label": "1"}]})

        assert_problem(response, 413, "dataset_too_costly")

    def test_data_set_keeps_images_in_each_split_and_class(self, client: FlaskClient, arrays: Arrays) -> None:
        def remove(split: str, indices: NDArray[Any]) -> dict[str, Any]:
            return {"remove": [{"split": split, "index": int(index)} for index in indices]}

        problem = assert_problem(derive(client, remove("test", np.arange(30))), 422, "dataset_images")
        assert "no image for test" in problem["detail"]
        of_class = np.flatnonzero(arrays["y_train"] == 1)
        problem = assert_problem(derive(client, remove("train", of_class)), 422, "dataset_classes")
        assert "'1'" in problem["detail"]

    def test_images_in_colour_are_not_added_to_gray_ones(self, client: FlaskClient) -> None:
        colour = {name: np.stack([x] * 3, -1) if x.ndim == 3 else x for name, x in easy_arrays().items()}
        client.post("/v1/datasets?name=colour", data=npz(colour))
        add = [{"dataset": "colour", "split": "test", "index": 0, "label": "1"}]

        assert pointers(assert_problem(derive(client, {"add": add}), 422, "validation_failed")) == ["#/add/0/dataset"]

    def test_file_options_are_refused_with_json(self, client: FlaskClient) -> None:
        problem = assert_problem(derive(client, on_unreadable="skip"), 422, "validation_failed")

        assert parameters(problem) == ["on_unreadable"]

    def test_unknown_data_set_is_not_found(self, client: FlaskClient) -> None:
        assert_problem(derive(client, ref="none"), 404, "dataset_not_found")


@pytest.mark.usefixtures("arrays")
def test_repeated_request_with_an_idempotency_key_is_replayed(client: FlaskClient) -> None:
    changes = {"remove": [{"split": "train", "index": 0}]}
    responses = [
        client.post("/v1/datasets/easy/derive", json=changes, headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]

    assert [response.status_code for response in responses] == [201, 201]
    assert responses[1].headers["Idempotent-Replayed"] == "true"
    assert responses[0].get_json() == responses[1].get_json()
