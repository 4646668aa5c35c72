"""`POST /v1/models/{name}/versions/{ref}/neighbours`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.resources.explanations.neighbours import TrainingImages
from shared.datasets import DatasetStore
from shared.errors import Unavailable
from shared.network.attribution.trace import trace
from shared.registry import Registry
from shared.registry.classifier import Classifier
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.support.data.images import png
from tests.support.data.npz import easy_arrays, npz
from tests.support.objects.models import publish, tiny_network, tiny_parameters
from tests.support.problems import assert_problem, parameters

ARRAYS = easy_arrays(train=60, test=12)
PATH = "/v1/models/own/versions/latest/neighbours"


@pytest.fixture(autouse=True)
def dataset(client: FlaskClient, registry: Registry) -> str:
    """The data set of the model `own`."""
    stored: str = client.post("/v1/datasets?name=easy", data=npz(ARRAYS)).json["id"]  # type: ignore[index]
    publish(registry, "own", "job-own", dataset=stored)
    return stored


def hidden(images: Any) -> np.ndarray[Any, Any]:
    """Return the activations of the hidden layer (n, 8)."""
    return np.stack([trace(tiny_network(), tiny_parameters(), image).activations[0] for image in images])


def expected_of(image: Any, among: Any, count: int = 10) -> list[int]:
    distances = np.linalg.norm(hidden(among).astype(np.float64) - hidden([image]), axis=1)
    nearest: list[int] = np.argsort(distances, kind="stable")[:count].tolist()
    return nearest


def test_the_nearest_training_images_are_those_of_all_distances(client: FlaskClient, dataset: str) -> None:
    image = ARRAYS["x_test"][5]
    indices = expected_of(image, ARRAYS["x_train"])

    found = client.post(PATH, data=png(image)).json or {}

    assert (found["model"], found["version"], found["dataset"], found["label"]) == ("own", 1, dataset, None)
    assert (found["images"], found["searched"]) == (60, 60)
    assert [each["index"] for each in found["neighbours"]] == indices
    assert [each["label"] for each in found["neighbours"]] == [str(ARRAYS["y_train"][index]) for index in indices]
    assert {each["split"] for each in found["neighbours"]} == {"train"}


def test_a_training_image_is_its_own_nearest_neighbour(client: FlaskClient) -> None:
    found = client.post(f"{PATH}?count=1", json={"dataset": "easy", "split": "train", "index": 17}).json or {}

    [nearest] = found["neighbours"]
    assert (found["label"], nearest["index"]) == (str(ARRAYS["y_train"][17]), 17)
    assert nearest["distance"] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("limit", [{"neighbour_bytes": 20 * 4 * 9}, {"max_online_operations": 6 * 1_000}])
def test_of_too_many_images_a_sample_is_searched(limit: dict[str, int], settings: Settings) -> None:
    client = create_app(settings.model_copy(update=limit)).test_client()
    image = ARRAYS["x_test"][5]

    found = client.post(f"{PATH}?count=3", data=png(image)).json or {}

    searched = found["searched"]
    assert 3 < searched < 60
    positions = np.arange(searched) * 60 // searched
    nearest = expected_of(image, ARRAYS["x_train"][positions], 3)
    assert [each["index"] for each in found["neighbours"]] == positions[nearest].tolist()


def test_the_activations_are_computed_once_and_kept_within_the_limit(
    registry: Registry, volume: Volume, settings: Settings, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(registry, "other", "job-other", dataset=dataset)
    one, two = (Classifier.load(registry, registry.get(name)) for name in ("own", "other"))
    training = TrainingImages(DatasetStore(volume), settings.model_copy(update={"neighbour_bytes": 60 * 4 * 9 + 100}))

    first = training.of(one)
    assert training.of(one) is first
    training.of(two)
    assert training.of(one) is not first

    busy = TrainingImages(DatasetStore(volume), settings, wait_seconds=0.01)
    monkeypatch.setattr(busy, "_embedded", busy.of)
    with pytest.raises(Unavailable, match="send the request again"):
        busy.of(one)


def test_a_version_without_its_data_set_has_no_neighbours(client: FlaskClient, dataset: str) -> None:
    assert len((client.post(PATH, data=png(ARRAYS["x_test"][0])).json or {})["neighbours"]) == 10
    assert client.delete(f"/v1/datasets/{dataset}?force=true").status_code == 204

    assert_problem(client.post(PATH, data=png(ARRAYS["x_test"][0])), 404, "dataset_not_found")


def test_the_number_of_neighbours_is_limited(client: FlaskClient) -> None:
    problem = assert_problem(client.post(f"{PATH}?count=101", data=png(ARRAYS["x_test"][0])), 422, "validation_failed")
    assert parameters(problem) == ["count"]
