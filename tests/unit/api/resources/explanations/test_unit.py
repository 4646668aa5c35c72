"""`POST /v1/models/{name}/versions/{ref}/explain/unit`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from api.app import create_app
from shared.network import Network
from shared.registry import Registry
from shared.runtime.settings import Settings
from tests.support.data.images import png
from tests.support.data.npz import easy_images
from tests.support.objects.models import SIDE, a_draft, publish_colour, tiny_configuration, tiny_parameters
from tests.support.problems import assert_problem, parameters

IMAGES, _ = easy_images(10, seed=3)
PATH = "/v1/models/toy/versions/latest/explain"
FILTERS = {"convolutions": [{"filters": 4, "kernel_size": 3, "pool_size": 2}], "hidden": [5]}

pytestmark = pytest.mark.usefixtures("model")


def opened(client: FlaskClient, model: str = "toy", **query: Any) -> dict[str, Any]:
    path = f"/v1/models/{model}/versions/1/explain/unit"
    response = client.post(path, query_string=query, data=png(IMAGES[0]))
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json or {}
    rest = sum(term["value"] for term in found["terms"]) + found["rest"]["value"]
    assert found["z"] == pytest.approx(rest + found["bias"], rel=1e-5, abs=1e-6)
    assert len(found["terms"]) + found["rest"]["count"] == np.size(found["weights"])
    return found


@pytest.fixture
def with_filters(registry: Registry) -> None:
    configuration = tiny_configuration(**FILTERS)
    weights = Network((SIDE, SIDE), 3, configuration).initialize(np.random.default_rng(0))
    draft = a_draft("filters", "job-filters", configuration=configuration.to_dict())
    registry.publish(draft, weights, registry._volume.job("job-filters"))


def test_a_unit_of_the_first_layer_has_weights_for_each_pixel(client: FlaskClient) -> None:
    found = opened(client, layer="layer1", unit=3, top=4)

    expected = tiny_parameters()["layer1.weights"][:, 3].reshape(SIDE, SIDE)
    np.testing.assert_allclose(found["weights"], expected, rtol=1e-5)
    assert found["layer"] == {"name": "layer1", "kind": "dense", "activation": "relu", "shape": [8]}
    assert (found["place"], found["window"], found["label"]) == (None, None, None)
    explained = client.post(PATH, data=png(IMAGES[0])).json
    assert found["activation"] == pytest.approx(explained["layers"][0]["activations"][3])  # type: ignore[index]
    assert found["activation"] == pytest.approx(max(0, found["z"]), abs=1e-5)
    values = np.array(found["weights"]) * found["inputs"]
    assert len(found["terms"]) == 4
    for term in found["terms"]:
        row, column = term["index"]
        assert term["value"] == pytest.approx(values[row, column], rel=1e-5)
        assert term["value"] == pytest.approx(term["weight"] * term["input"], rel=1e-5)
    sizes = [abs(term["value"]) for term in found["terms"]]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == pytest.approx(np.abs(values).max(), rel=1e-5)


def test_a_class_is_a_unit_of_the_last_layer(client: FlaskClient) -> None:
    found = opened(client, layer="layer2", unit=1)

    explained = client.post(PATH, data=png(IMAGES[0])).json
    assert (found["label"], found["layer"]["kind"]) == ("1", "output")
    assert found["z"] == pytest.approx(explained["logits"][1], rel=1e-4)  # type: ignore[index]
    assert found["activation"] == pytest.approx(explained["probabilities"][1])  # type: ignore[index]


@pytest.mark.usefixtures("with_filters")
def test_a_filter_is_opened_at_a_place_of_its_map(client: FlaskClient) -> None:
    largest = opened(client, "filters", layer="layer1", unit=2)
    chosen = opened(client, "filters", layer="layer1", unit=2, row=0, column=1)

    maps = client.post("/v1/models/filters/versions/1/explain", data=png(IMAGES[0])).json["layers"][0]["activations"]  # type: ignore[index]
    assert largest["activation"] == pytest.approx(np.array(maps)[..., 2].max())
    assert chosen["place"] == {"row": 0, "column": 1}
    assert chosen["activation"] == pytest.approx(maps[0][1][2])
    assert np.shape(chosen["weights"]) == (3, 3)
    for term in chosen["terms"]:
        assert [at - chosen["window"][key] for at, key in zip(term["index"], ("row", "column"), strict=True)] < [3, 3]


def test_a_unit_in_colour_has_terms_by_channel(client: FlaskClient, registry: Registry) -> None:
    publish_colour(registry)
    found = opened(client, "painted", layer="layer1", unit=0)
    assert np.shape(found["weights"]) == (SIDE, SIDE, 3)
    assert all(len(term["index"]) == 3 for term in found["terms"])


@pytest.mark.usefixtures("with_filters")
@pytest.mark.parametrize(
    ("name", "query", "parameter", "reason"),
    [
        ("toy", {"layer": "layer9", "unit": 0}, "layer", "layer1 (dense, 8), layer2 (output, 3); got"),
        ("toy", {"layer": "layer1", "unit": 8}, "unit", "from 0 to 7: layer1 has 8 units; got 8"),
        ("toy", {"layer": "layer2", "unit": 3}, "unit", "the classes 0, 1, 2"),
        ("toy", {"layer": "layer1", "unit": 0, "row": 1}, "row", "no place"),
        ("filters", {"layer": "layer1", "unit": 4}, "unit", "4 filters"),
        ("filters", {"layer": "layer1", "unit": 0, "row": 1}, "column", "together"),
        ("filters", {"layer": "layer1", "unit": 0, "row": 1, "column": 3}, "column", "layer1 has 3 × 3 places; got 3"),
        ("toy", {"layer": "layer1", "unit": 0, "top": 101}, "top", "100"),
        ("toy", {"layer": "layer1", "unit": -1}, "unit", "0"),
    ],
)
def test_an_unknown_unit_is_refused_with_those_that_exist(
    name: str, query: dict[str, Any], parameter: str, reason: str, client: FlaskClient
) -> None:
    response = client.post(f"/v1/models/{name}/versions/1/explain/unit", query_string=query, data=png(IMAGES[0]))
    problem = assert_problem(response, 422, "validation_failed")
    assert parameters(problem) == [parameter]
    assert reason in problem["detail"]


@pytest.mark.parametrize(
    ("limit", "code"),
    [("max_online_operations", "too_many_operations"), ("max_online_response_bytes", "response_too_large")],
)
def test_work_and_response_are_limited(limit: str, code: str, settings: Settings) -> None:
    client = create_app(settings.model_copy(update={limit: 100})).test_client()
    response = client.post(f"{PATH}/unit?layer=layer1&unit=0", data=png(IMAGES[0]))
    assert f"GLASSBOX_{limit.upper()} is 100" in assert_problem(response, 413, code)["detail"]
