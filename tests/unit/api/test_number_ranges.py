"""The same rows of numbers through each entry point: data sets, batches of arrays, `instances` and `/v2`."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray

from shared.archives import Contents, validate
from shared.datasets import DatasetStore
from shared.datasets.options import UploadOptions
from shared.datasets.uploads import read_upload
from shared.errors import Invalid
from shared.runtime.settings import Settings
from tests.support.data.images import png
from tests.support.data.npz import easy_images, npy, npz
from tests.support.objects.models import tiny_network, tiny_parameters

GRAY, LABELS = easy_images(30, seed=5)
SHARP = np.where(GRAY > 100, 255, 0).astype(np.uint8)

pytestmark = pytest.mark.usefixtures("model")


def expected(images: NDArray[np.uint8]) -> NDArray[Any]:
    """Return the network's probabilities for gray levels."""
    return tiny_network().probabilities(tiny_parameters(), images)


def by_instances(client: FlaskClient, numbers: NDArray[Any]) -> NDArray[Any]:
    """Return the probabilities that `predict` gives for numbers, in the order of the classes."""
    body = {"instances": numbers.tolist()}
    response: Any = client.post("/v1/models/toy/versions/latest/predict?top_k=3", json=body)
    assert response.status_code == 200, response.data
    tops = [{best["label"]: best["probability"] for best in each["top"]} for each in response.json["predictions"]]
    return np.array([[top[label] for label in ("0", "1", "2")] for top in tops])


def by_tensor(client: FlaskClient, numbers: NDArray[Any]) -> NDArray[Any]:
    """Return the probabilities that `/v2` gives for a tensor of the numbers' type."""
    names = {"b": "BOOL", "f": "FP64", "u": "UINT8", "i": "INT64"}
    given = {"name": "images", "datatype": names[numbers.dtype.kind], "shape": list(numbers.shape)}
    content = {"inputs": [{**given, "data": numbers.ravel().tolist()}]}
    response: Any = client.post("/v2/models/toy/infer", data=json.dumps(content))
    assert response.status_code == 200, response.data
    (output,) = response.json["outputs"]
    return np.array(output["data"]).reshape(output["shape"])


@pytest.mark.parametrize("numbers", [GRAY, GRAY.astype(np.int64), GRAY.astype(float), GRAY / 255])
def test_the_same_gray_rows_have_the_same_probabilities(client: FlaskClient, numbers: NDArray[Any]) -> None:
    assert np.allclose(by_instances(client, numbers), expected(GRAY), atol=1e-5)
    assert np.allclose(by_tensor(client, numbers), expected(GRAY), atol=1e-5)


@pytest.mark.parametrize(
    "numbers", [SHARP, SHARP / 255, SHARP.astype(float), SHARP // 255, SHARP.astype(int) // 255, SHARP > 0]
)
def test_the_same_black_and_white_rows_have_the_same_probabilities(client: FlaskClient, numbers: NDArray[Any]) -> None:
    assert np.allclose(by_instances(client, numbers), expected(SHARP), atol=1e-5)
    assert np.allclose(by_tensor(client, numbers), expected(SHARP), atol=1e-5)


@pytest.mark.parametrize("scale", [1 / 255, 1.0])
def test_a_dark_image_does_not_change_with_the_images_beside_it(client: FlaskClient, scale: float) -> None:
    dark = np.full((1, 6, 6), 40, np.uint8)
    numbers = np.concatenate([dark, GRAY]) * scale

    for probabilities in (by_instances(client, numbers), by_tensor(client, numbers)):
        assert np.allclose(probabilities[:1], expected(dark), atol=1e-5)


@pytest.mark.parametrize("numbers", [GRAY, GRAY.astype(">i2"), GRAY.astype(float), GRAY / 255])
def test_a_data_set_stores_the_gray_levels_that_predictions_use(
    tmp_path: Path, datasets: DatasetStore, limits: Settings, numbers: NDArray[Any]
) -> None:
    arrays = {"x_train": numbers, "y_train": LABELS, "x_test": numbers, "y_test": LABELS}
    path = tmp_path / "upload"
    path.write_bytes(npz(arrays))

    manifest, _ = datasets.add(read_upload(path, limits, UploadOptions()), "easy", "test")

    assert np.array_equal(datasets.load(manifest.id)[1].x_train, GRAY)


def test_a_batch_of_an_array_has_the_probabilities_of_its_rows(
    client: FlaskClient, tmp_path: Path, limits: Settings
) -> None:
    path = tmp_path / "batch"
    path.write_bytes(npy(GRAY))
    index = validate(path, limits)

    with Contents(path, index, limits) as contents:
        images = contents.images(0, len(GRAY))

    assert np.allclose(by_instances(client, GRAY), expected(images), atol=1e-5)


def test_files_of_0_and_1_are_refused_and_requests_are_warned_of(
    client: FlaskClient, tmp_path: Path, limits: Settings
) -> None:
    numbers = SHARP // 255
    path = tmp_path / "upload"
    for content in (npz({"x": numbers, "y": LABELS}), npy(numbers)):
        path.write_bytes(content)
        with pytest.raises(Invalid, match="multiply them by 255 if 1 is white"):
            read_upload(path, limits, UploadOptions())
    with pytest.raises(Invalid, match="multiply them by 255 if 1 is white"):
        validate(path, limits)

    response: Any = client.post("/v1/models/toy/versions/latest/predict", json={"instances": numbers.tolist()})

    assert "multiply them by 255 if 1 is white" in response.json["warnings"][0]
    files = {"image": [(io.BytesIO(png(image)), "a.png") for image in SHARP]}
    by_files: Any = client.post("/v1/models/toy/versions/latest/predict", data=files)
    assert by_files.json["predictions"] == response.json["predictions"]
