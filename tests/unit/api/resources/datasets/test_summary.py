"""`GET /v1/datasets/{ref}/summary`."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray
from PIL import Image

from shared.datasets import store
from shared.errors import NotFound
from shared.storage.volume import Volume
from tests.support.data.files import files_below
from tests.support.data.npz import easy_arrays, npz
from tests.support.problems import assert_problem


def pixels_of(uri: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def summary_of(client: FlaskClient, arrays: dict[str, NDArray[Any]]) -> Any:
    client.post("/v1/datasets?name=easy", data=npz(arrays))
    response = client.get("/v1/datasets/easy/summary")
    assert response.status_code == 200, response.text
    return response.json


def found(groups: Any) -> tuple[int, int, list[list[tuple[str, int, str]]]]:
    listed = [[(copy["split"], copy["index"], copy["label"]) for copy in group["copies"]] for group in groups["first"]]
    return groups["groups"], groups["images"], listed


def test_classes_have_counts_and_mean_images(client: FlaskClient) -> None:
    arrays = easy_arrays(train=60, test=30)
    summary = summary_of(client, arrays)

    images = np.concatenate([arrays["x_train"], arrays["x_test"]])
    labels = np.concatenate([arrays["y_train"], arrays["y_test"]])
    assert [each["label"] for each in summary["classes"]] == ["0", "1", "2"]
    for number, each in enumerate(summary["classes"]):
        assert each["images"] == {"train": 20, "test": 10}
        expected = images[labels == number].mean(axis=0)
        assert np.abs(pixels_of(each["mean_image"]) - expected).max() <= 0.5
    assert found(summary["within_splits"]) == (0, 0, [])


def test_large_images_in_colour_have_small_mean_images(client: FlaskClient) -> None:
    arrays = easy_arrays(side=200)
    summary = summary_of(client, {k: np.stack([x] * 3, -1) if x.ndim == 3 else x for k, x in arrays.items()})

    assert {pixels_of(each["mean_image"]).shape for each in summary["classes"]} == {(64, 64, 3)}


def test_duplicates_are_listed_by_kind(client: FlaskClient) -> None:
    arrays = easy_arrays(train=60, test=30)
    x_val, y_val = arrays["x_test"][:6].copy() ^ 7, arrays["y_test"][:6]
    arrays["x_train"][9] = arrays["x_train"][3]  # both of class 0
    arrays["x_test"][5] = arrays["x_train"][3]  # of class 2
    x_val[1] = arrays["x_train"][1]

    summary = summary_of(client, arrays | {"x_val": x_val, "y_val": y_val})

    threefold = [("train", 3, "0"), ("train", 9, "0"), ("test", 5, "2")]
    leak = [("train", 1, "1"), ("validation", 1, "1")]
    assert found(summary["within_splits"]) == (1, 3, [threefold])
    assert found(summary["between_splits"]) == (2, 5, [leak, threefold])
    assert found(summary["different_labels"]) == (1, 3, [threefold])


def test_listed_duplicates_are_limited_and_all_are_counted(client: FlaskClient) -> None:
    arrays = easy_arrays(train=600, test=30)
    arrays["x_train"][:200] = arrays["x_train"][0]
    arrays["x_train"][200:400] = np.repeat(arrays["x_train"][200:300], 2, axis=0)

    groups = summary_of(client, arrays)["within_splits"]

    assert (groups["groups"], groups["images"], len(groups["first"])) == (101, 400, 50)
    assert (groups["first"][0]["count"], len(groups["first"][0]["copies"])) == (200, 20)


def test_summary_is_computed_once_and_deleted_with_the_data_set(
    client: FlaskClient, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = summary_of(client, easy_arrays())
    with monkeypatch.context() as patch:
        patch.setattr(store, "summarize", lambda *_: pytest.fail("the summary is computed again"))
        assert client.get("/v1/datasets/easy/summary").json == first

    client.delete("/v1/datasets/easy")

    assert list(files_below(volume.datasets)) == []


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format": 0}'])
def test_summary_that_cannot_be_read_is_computed_again(client: FlaskClient, volume: Volume, content: bytes) -> None:
    first = summary_of(client, easy_arrays())
    (file,) = volume.datasets.glob("*/summary.json")
    file.write_bytes(content)

    assert client.get("/v1/datasets/easy/summary").json == first
    assert len(file.read_bytes()) > 100


def test_request_does_not_wait_for_ever_for_other_summaries(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def summarize_slowly(*_: object) -> None:
        assert_problem(client.get("/v1/datasets/other/summary"), 503, "summary_busy")
        raise NotFound("dataset_not_found", "the first summary ends here")

    monkeypatch.setattr(store, "SUMMARY_WAIT", 0.01)
    monkeypatch.setattr(store, "summarize", summarize_slowly)
    client.post("/v1/datasets?name=easy", data=npz())
    client.post("/v1/datasets?name=other", data=npz(easy_arrays(seed=4)))

    assert_problem(client.get("/v1/datasets/easy/summary"), 404, "dataset_not_found")


def test_unknown_data_set_is_not_found(client: FlaskClient) -> None:
    assert_problem(client.get("/v1/datasets/none/summary"), 404, "dataset_not_found")
