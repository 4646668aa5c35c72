"""`GET /v1/datasets/{ref}/images`."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray
from safetensors.numpy import load

from api.resources import image_selection
from shared.datasets import DatasetStore
from shared.storage.volume import Volume
from tests.support.data.archives import zip_of
from tests.support.data.folders import split_folders
from tests.support.data.images import png
from tests.support.data.npz import easy_arrays, npz
from tests.support.data.safetensors import metadata_of
from tests.support.problems import assert_problem, parameters

Arrays = dict[str, NDArray[Any]]


@pytest.fixture
def arrays(client: FlaskClient) -> Arrays:
    """The arrays of the stored data set `easy`, with the classes 0, 1 and 2."""
    arrays = easy_arrays(train=60, test=30)
    client.post("/v1/datasets?name=easy", data=npz(arrays))
    return arrays


def read(client: FlaskClient, **query: Any) -> tuple[Arrays, dict[str, str]]:
    response = client.get("/v1/datasets/easy/images", query_string=query)
    assert response.status_code == 200, response.text
    assert response.content_type == "application/octet-stream"
    return load(response.data), metadata_of(response.data)


class TestSelection:
    def test_images_come_with_indices_and_labels_in_pages(self, client: FlaskClient, arrays: Arrays) -> None:
        pages, start = [], "0"
        while start:
            page, metadata = read(client, **{"from": start, "count": 25})
            assert metadata["total"] == "60"
            pages.append(page)
            start = metadata.get("next", "")

        assert [len(page["images"]) for page in pages] == [25, 25, 10]
        assert np.array_equal(np.concatenate([page["images"] for page in pages]), arrays["x_train"])
        assert np.array_equal(np.concatenate([page["labels"] for page in pages]), arrays["y_train"])
        assert np.concatenate([page["indices"] for page in pages]).tolist() == list(range(60))

    def test_class_selects_in_its_split(self, client: FlaskClient, arrays: Arrays) -> None:
        page, metadata = read(client, **{"split": "test", "class": "2", "from": 3})

        members = np.flatnonzero(arrays["y_test"] == 2)
        assert page["indices"].tolist() == members[3:].tolist()
        assert np.array_equal(page["images"], arrays["x_test"][members[3:]])
        assert set(page["labels"].tolist()) == {2}
        assert metadata == {"total": str(len(members))}

    def test_random_order_is_one_order_for_all_pages_of_a_seed(self, client: FlaskClient, arrays: Arrays) -> None:
        query = {"order": "random", "seed": 7}
        whole = read(client, **query)[0]
        second = read(client, **query, **{"from": 20, "count": 10})[0]

        assert sorted(whole["indices"].tolist()) == list(range(60))
        assert whole["indices"].tolist() != list(range(60))
        assert second["indices"].tolist() == whole["indices"][20:30].tolist()
        assert np.array_equal(whole["images"], arrays["x_train"][whole["indices"]])
        assert read(client, order="random", seed=8)[0]["indices"].tolist() != whole["indices"].tolist()

    def test_indices_select_images_in_their_order(self, client: FlaskClient, arrays: Arrays) -> None:
        page, metadata = read(client, indices="59,0,17")

        assert page["indices"].tolist() == [59, 0, 17]
        assert np.array_equal(page["images"], arrays["x_train"][[59, 0, 17]])
        assert metadata == {"total": "3"}

    def test_validation_split_and_colour_are_read(self, client: FlaskClient) -> None:
        arrays = {name: np.stack([x, x, x], -1) if x.ndim == 3 else x for name, x in easy_arrays().items()}
        arrays |= {"x_val": arrays["x_test"][:12] // 2, "y_val": arrays["y_test"][:12]}
        client.post("/v1/datasets?name=easy", data=npz(arrays))

        page, metadata = read(client, split="validation")

        assert page["images"].shape == (12, 6, 6, 3)
        assert np.array_equal(page["images"], arrays["x_val"])
        assert metadata == {"total": "12"}

    @pytest.mark.usefixtures("arrays")
    def test_range_after_the_last_image_is_empty(self, client: FlaskClient) -> None:
        page, metadata = read(client, **{"from": 60})

        assert page["images"].shape == (0, 6, 6)
        assert metadata == {"total": "60"}


@pytest.mark.usefixtures("arrays")
class TestBounds:
    def test_response_is_limited_in_bytes_and_says_where_to_continue(
        self, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(image_selection, "MOST_BYTES", 10 * 36 + 35)

        page, metadata = read(client, **{"from": 5})

        assert page["indices"].tolist() == list(range(5, 15))
        assert metadata == {"total": "60", "next": "15"}

    def test_image_larger_than_the_limit_is_returned_alone(
        self, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(image_selection, "MOST_BYTES", 1)

        assert read(client)[1] == {"total": "60", "next": "1"}


@pytest.mark.usefixtures("arrays")
class TestErrors:
    @pytest.mark.parametrize(
        ("query", "named"),
        [
            ({"split": "all"}, "split"),
            ({"split": "validation"}, "split"),
            ({"class": "<b>7</b>"}, "class"),
            ({"class": ""}, "class"),
            ({"from": "-1"}, "from"),
            ({"from": "9" * 30}, "from"),
            ({"count": "0"}, "count"),
            ({"count": "2001"}, "count"),
            ({"order": "worst"}, "order"),
            ({"seed": "x"}, "seed"),
            ({"indices": "60"}, "indices"),
            ({"indices": "1,,2"}, "indices"),
            ({"indices": "-1"}, "indices"),
            ({"indices": ",".join(["1"] * 501)}, "indices"),
            ({"indices": "1", "class": "0"}, "class"),
            ({"indices": "1", "order": "random"}, "order"),
        ],
    )
    def test_invalid_parameter_is_named(self, client: FlaskClient, query: dict[str, str], named: str) -> None:
        problem = assert_problem(client.get("/v1/datasets/easy/images", query_string=query), 422, "validation_failed")

        assert parameters(problem) == [named]

    def test_unknown_data_set_is_not_found(self, client: FlaskClient) -> None:
        assert_problem(client.get("/v1/datasets/none/images"), 404, "dataset_not_found")

    def test_changed_file_is_reported_also_after_it_was_read(self, client: FlaskClient, volume: Volume) -> None:
        read(client)
        (file,) = volume.datasets.glob("*/data.npz")
        content = bytearray(file.read_bytes())
        content[300] ^= 1
        file.write_bytes(content)

        assert_problem(client.get("/v1/datasets/easy/images"), 500, "dataset_damaged")


@pytest.mark.usefixtures("arrays")
def test_etag_changes_with_the_content_of_the_name(client: FlaskClient) -> None:
    path = "/v1/datasets/easy/images?count=3"
    etag = client.get(path).headers["ETag"]
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 304
    assert client.get(f"{path}&from=1", headers={"If-None-Match": etag}).status_code == 200

    client.post("/v1/datasets?name=easy", data=npz(easy_arrays(seed=9)))

    assert client.get(path, headers={"If-None-Match": etag}).status_code == 200


class TestPaths:
    def test_images_have_the_paths_of_their_upload_and_keep_them_when_a_data_set_is_derived(
        self, client: FlaskClient, datasets: DatasetStore
    ) -> None:
        files = split_folders(train=9, test=6)
        made = client.post("/v1/datasets?name=easy", data=zip_of(files)).get_json()
        names = sorted(name for name in files if name.startswith("train/"))
        page, metadata = read(client, **{"class": "bee", "paths": "true"})
        bees = [name for name in names if "/bee/" in name]
        assert json.loads(metadata["paths"]) == bees
        assert "paths" not in read(client)[1]
        changes = {
            "remove": [{"split": "train", "index": 0}],
            "relabel": [{"split": "train", "index": int(page["indices"][0]), "label": "cat"}],
        }
        more = {"cat/new.png": png(np.full((8, 8), 7, np.uint8))}
        form = {"file": (io.BytesIO(zip_of(more)), "more.zip"), "changes": json.dumps(changes)}
        response = client.post(f"/v1/datasets/{made['id']}/derive", data=form)
        assert response.status_code == 201, response.text

        assert json.loads(read(client, paths="true")[1]["paths"]) == [*names[1:], "cat/new.png"]
        assert datasets.paths(response.get_json()["id"]).at("test", [0]) == [min(files.keys() - set(names))]

    def test_arrays_have_no_paths_until_the_same_content_comes_from_files(self, client: FlaskClient) -> None:
        files = split_folders(train=9, test=6)
        made = client.post("/v1/datasets?name=files", data=zip_of(files)).get_json()
        images = load(client.get("/v1/datasets/files/images?count=9").data)
        tests = load(client.get("/v1/datasets/files/images?split=test").data)
        client.delete(f"/v1/datasets/{made['id']}")
        classes = np.array(made["classes"])
        arrays = {"x_train": images["images"], "y_train": classes[images["labels"]]}
        arrays |= {"x_test": tests["images"], "y_test": classes[tests["labels"]]}

        same = client.post("/v1/datasets?name=easy", data=npz(arrays)).get_json()
        without = client.get("/v1/datasets/easy/images?count=1&paths=true")
        client.post("/v1/datasets?name=easy", data=zip_of(files))
        known = client.get("/v1/datasets/easy/images?count=1&paths=true")

        assert same["id"] == made["id"]  # the paths are not part of the content
        found = [json.loads(metadata_of(response.data)["paths"]) for response in (without, known)]
        assert found == [[None], ["train/ant/00000.png"]]
        assert without.headers["ETag"] != known.headers["ETag"]


class TestTypicality:
    def test_the_least_typical_images_of_a_class_are_the_farthest_from_its_mean(
        self, client: FlaskClient, arrays: Arrays, volume: Volume
    ) -> None:
        found, _ = read(client, order="least_typical", count=60)
        of_class, metadata = read(client, **{"order": "least_typical", "class": "1", "from": 2, "count": 5})

        images, labels = (
            np.concatenate([arrays["x_train"], arrays["x_test"]]),
            np.concatenate([arrays["y_train"], arrays["y_test"]]),
        )
        means = np.stack([images[labels == label].mean(axis=0) for label in range(3)])
        far = np.square(arrays["x_train"] - means[arrays["y_train"]]).mean(axis=(1, 2))
        assert np.all(np.diff(far[found["indices"]]) <= 1e-3)
        ones = np.flatnonzero(arrays["y_train"] == 1)
        assert np.allclose(far[of_class["indices"]], np.sort(far[ones])[::-1][2:7])
        assert metadata["total"] == str(len(ones))
        (stored,) = volume.datasets.glob("*/distances.npz")
        before = stored.stat().st_ino
        assert np.array_equal(read(client, order="least_typical", count=60)[0]["indices"], found["indices"])
        assert stored.stat().st_ino == before  # computed once
