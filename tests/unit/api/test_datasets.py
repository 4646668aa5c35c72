"""`/v1/datasets`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from shared.volume import Volume
from tests.support.files import left_behind
from tests.support.npz import easy_arrays, easy_images, npy, npy_header, npz, npz_of_members
from tests.support.problems import assert_problem, parameters


def with_a_flipped_bit(content: bytes) -> bytes:
    flipped = bytearray(content)
    flipped[100_000] ^= 1
    return bytes(flipped)


def upload(client: FlaskClient, content: bytes, name: str = "easy", **options: Any) -> TestResponse:
    return client.post("/v1/datasets", data=content, query_string={"name": name, **options})


class TestUploading:
    def test_an_upload_is_a_data_set_from_then_on(self, client: FlaskClient) -> None:
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

    def test_the_same_content_again_is_no_new_data_set(self, client: FlaskClient) -> None:
        first = upload(client, npz())
        again = upload(client, npz(compressed=True))

        assert again.status_code == 200
        assert again.json == first.json
        assert again.headers["Location"] == first.headers["Location"]

    def test_two_arrays_are_split_as_the_options_say(self, client: FlaskClient) -> None:
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
            ({"name": "easy", "image_shape": "28x28"}, "image_shape"),  # of arrays there is nothing to resize
            ({"name": "easy", "colour": "red"}, "colour"),
        ],
    )
    def test_an_option_that_is_wrong_is_named(
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
    def test_a_file_that_is_no_data_set_is_refused_and_leaves_nothing(
        self, client: FlaskClient, volume: Volume, content: bytes, status: int, code: str
    ) -> None:
        assert_problem(upload(client, content), status, code)

        assert left_behind(volume) == []

    def test_it_needs_no_redis(self, client_without_redis: FlaskClient) -> None:
        assert upload(client_without_redis, npz()).status_code == 201


class TestShowing:
    def test_a_data_set_is_found_by_its_name_and_its_id(self, client: FlaskClient) -> None:
        created: Any = upload(client, npz()).json

        assert client.get("/v1/datasets/easy").json == created
        assert client.get(f"/v1/datasets/{created['id']}").json == created

    @pytest.mark.parametrize("reference", ["unknown", "sha256:" + "0" * 64, "..", "names", "a%00b"])
    def test_an_unknown_data_set_is_not_found(self, client: FlaskClient, reference: str) -> None:
        assert_problem(client.get(f"/v1/datasets/{reference}"), 404, "dataset_not_found")

    def test_all_are_listed_in_pages(self, client: FlaskClient) -> None:
        ids = {upload(client, npz(easy_arrays(seed=seed))).get_json()["id"] for seed in range(3)}

        first: Any = client.get("/v1/datasets?limit=2").json
        second: Any = client.get("/v1/datasets", query_string={"limit": 2, "after": first["next"]}).json

        assert (len(first["items"]), len(second["items"]), second["next"]) == (2, 1, None)
        assert {item["id"] for item in first["items"] + second["items"]} == ids

    def test_without_any_the_list_is_empty(self, client: FlaskClient) -> None:
        assert client.get("/v1/datasets").json == {"items": [], "next": None}
