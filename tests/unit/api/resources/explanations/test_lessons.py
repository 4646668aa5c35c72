"""`/v1/lessons`."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from safetensors.numpy import load

from api.app import create_app
from shared.network import Network, preset
from shared.network.layers.activations import ACTIVATIONS
from shared.network.training import reference
from shared.registry import Registry
from shared.runtime.settings import Settings
from tests.support.data.npz import easy_arrays, npz
from tests.support.data.safetensors import metadata_of
from tests.support.objects.models import publish_colour, tiny_parameters
from tests.support.problems import assert_problem, pointers

ARRAYS = easy_arrays(train=40, test=12)
STEP = "/v1/lessons/step"
IMAGE = {"dataset": "easy", "split": "train", "index": 3}

pytestmark = pytest.mark.usefixtures("model")


@pytest.fixture(autouse=True)
def dataset(client: FlaskClient) -> None:
    client.post("/v1/datasets?name=easy", data=npz(ARRAYS))


def arrays_of(client: FlaskClient, **body: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    response = client.post(STEP, json=IMAGE | body, headers={"Accept": "application/octet-stream"})
    assert response.status_code == 200, response.text
    return load(response.data), json.loads(metadata_of(response.data)["lesson"])


@pytest.mark.parametrize("order", ["together", "layerwise"])
def test_a_step_of_a_preset_is_that_of_the_plain_loop(order: str, client: FlaskClient) -> None:
    network = Network((6, 6), 3, preset("article", dtype="float64", seed=4))
    layers = network.dense_layers(network.initialize(np.random.default_rng(4)))
    X, y = ARRAYS["x_train"][3].reshape(1, -1) / 255, ARRAYS["y_train"][3:4]

    arrays, found = arrays_of(client, preset="article", seed=4, rate=0.5, update_order=order)

    reference.train(layers, X, y, np.random.default_rng(), epochs=1, rate=0.5, layerwise=order == "layerwise")
    for number, (W, b) in enumerate(layers, start=1):
        np.testing.assert_allclose(arrays[f"W{number}'"], W, rtol=1e-12)
        np.testing.assert_allclose(arrays[f"b{number}'"], b, rtol=1e-12)
    assert (found["label"], found["update_order"], found["model"]) == (str(y[0]), order, None)
    assert arrays.keys() == {step["name"] for step in found["steps"]}


def test_a_step_of_a_version_begins_with_its_weights_and_its_prediction(client: FlaskClient) -> None:
    arrays, found = arrays_of(client, model="toy", label="2", update_order="together")

    assert (found["model"], found["version"], found["label"]) == ("toy", 1, "2")
    after = tiny_parameters()["layer2.weights"] - np.float32(0.01) * arrays["dW2"]
    np.testing.assert_allclose(arrays["W2'"], after, rtol=1e-5)
    predicted = client.post(
        "/v1/models/toy/versions/1/predict?top_k=3", json={"instances": [ARRAYS["x_train"][3].tolist()]}
    ).json
    top = {each["label"]: each["probability"] for each in predicted["predictions"][0]["top"]}  # type: ignore[index]
    assert arrays["P"][0].tolist() == pytest.approx([top["0"], top["1"], top["2"]], rel=1e-4)


def test_json_omits_the_values_of_large_arrays(client: FlaskClient) -> None:
    found = client.post(STEP, json=IMAGE).json or {}

    steps = {step["name"]: step for step in found["steps"]}
    assert (steps["W1'"]["shape"], steps["W1'"]["values"]) == ([36, 64], None)
    assert np.shape(steps["P"]["values"]) == (1, 3)


def test_every_activation_has_formulas_with_their_sources(client: FlaskClient) -> None:
    found = client.get("/v1/lessons").json or {}

    assert found["activations"].keys() == ACTIVATIONS.keys()
    by_name = {each["name"]: each for each in found["activations"]["relu"]}
    assert by_name["activation"]["source"].startswith("def forward(self, Z: Array, A: Array)")
    assert by_name["propagate"]["formula"] == "dA = dZ Wᵀ"


def test_a_derivative_is_checked_by_the_slope_of_the_loss(client: FlaskClient) -> None:
    arrays, found = arrays_of(client, update_order="together", check={"parameter": "W2", "index": [5, 1]})

    check = found["check"]
    assert (check["value"], check["derivative"]) == (arrays["W2"][5, 1], arrays["dW2"][5, 1])
    assert check["slope"] == pytest.approx(check["derivative"], rel=1e-4)
    lower, higher = check["losses"]
    assert check["slope"] == pytest.approx((higher - lower) / 0.002)
    largest = (client.post(STEP, json=IMAGE | {"check": {"parameter": "b1"}}).json or {})["check"]
    assert abs(largest["derivative"]) == pytest.approx(np.abs(arrays_of(client)[0]["db1"]).max())


def test_the_losses_of_the_following_images_begin_with_that_of_the_step(client: FlaskClient) -> None:
    arrays, found = arrays_of(client, index=30, losses=100)

    assert len(found["losses"]) == 10  # the images from 30 to the end of the split
    assert found["losses"][0] == arrays["L"][0]
    after, _ = arrays_of(client, index=30, losses=2, label="0", rate=100)
    assert np.isfinite(after["L"]).all()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"index": 40}, "#/index"),
        ({"split": "validation"}, "#/split"),
        ({"label": "7"}, "#/label"),
        ({"rate": 0}, "#/rate"),
        ({"preset": "accurate"}, "#/preset"),
        ({"update_order": "random"}, "#/update_order"),
        ({"model": "painted"}, "#/dataset"),
        ({"losses": 101}, "#/losses"),
        ({"check": {"parameter": "W9"}}, "#/check/parameter"),
        ({"check": {"parameter": "W1", "index": [0, 64]}}, "#/check/index"),
        ({"check": {"parameter": "b1", "index": [0, 0]}}, "#/check/index"),
    ],
)
def test_invalid_fields_are_named(body: Any, pointer: str, client: FlaskClient, registry: Registry) -> None:
    publish_colour(registry)
    assert pointers(assert_problem(client.post(STEP, json=IMAGE | body), 422, "validation_failed")) == [pointer]


def test_the_arrays_of_a_step_are_limited(settings: Settings) -> None:
    client = create_app(settings.model_copy(update={"max_online_response_bytes": 1000})).test_client()
    assert_problem(client.post(STEP, json=IMAGE), 413, "response_too_large")


def test_the_computation_of_losses_is_limited(settings: Settings) -> None:
    client = create_app(settings.model_copy(update={"max_online_operations": 1000})).test_client()
    assert client.post(STEP, json=IMAGE).status_code == 200
    assert_problem(client.post(STEP, json=IMAGE | {"losses": 1}), 413, "too_many_operations")
