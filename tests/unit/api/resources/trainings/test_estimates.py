"""`POST /v1/training-jobs/estimate`."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from shared.jobs import JobStore
from shared.runtime.settings import MiB, Settings
from tests.support.data.npz import npz
from tests.support.problems import assert_problem

PATH = "/v1/training-jobs/estimate"
MINIMAL: dict[str, Any] = {"model": "toy", "dataset": "easy"}


@pytest.fixture
def client(client: FlaskClient) -> FlaskClient:
    """A client of an API that has the data set `easy`."""
    assert client.post("/v1/datasets?name=easy", data=npz()).status_code == 201
    return client


def estimate(client: FlaskClient, **settings: Any) -> Any:
    response = client.post(PATH, json=MINIMAL | settings)
    assert response.status_code == 200, response.text
    return response.get_json()


@pytest.mark.parametrize("chosen", [{"preset": "fast", "hidden": [9]}, {}, {"preset": "accurate", "seed": 4}])
def test_estimate_has_the_settings_of_the_training(client: FlaskClient, jobs: JobStore, chosen: dict[str, Any]) -> None:
    estimated = estimate(client, **chosen)
    assert list(jobs.ids()) == []

    job: Any = client.post("/v1/training-jobs", json=MINIMAL | chosen).get_json()

    specification = jobs.get(job["id"]).specification
    assert estimated["configuration"] == specification["configuration"]
    assert estimated["candidates"] == len(specification.get("candidates") or [0])


def test_cost_and_parameters_follow_the_shapes(client: FlaskClient) -> None:
    small = estimate(client, preset="fast", hidden=[9], epochs=2)
    long = estimate(client, preset="fast", hidden=[9], epochs=4)
    large = estimate(client, preset="fast", hidden=[9], epochs=2, dtype="float64")

    assert small["parameters"] == 36 * 9 + 9 + 9 * 3 + 3
    assert long["operations"] == 2 * small["operations"] > 0
    assert large["seconds"][1] >= small["seconds"][1] >= small["seconds"][0]
    assert small["memory_bytes"] > 64 * MiB


@pytest.mark.parametrize(
    ("chosen", "code"),
    [
        ({"epochs": 0}, "validation_failed"),
        ({"hidden": [10**9]}, "validation_failed"),
        ({"labels": {"a": "x" * 1024, **{str(n): "x" * 1000 for n in range(9)}}}, "validation_failed"),
        ({"webhook": "ftp://host"}, "validation_failed"),
        ({"like": "toy@1", "preset": "fast"}, "validation_failed"),
        ({"batch_size": 10**6}, "validation_failed"),
    ],
)
def test_estimate_rejects_what_the_submission_rejects(client: FlaskClient, chosen: dict[str, Any], code: str) -> None:
    estimated, submitted = (
        assert_problem(client.post(path, json=MINIMAL | chosen), 422, code) for path in (PATH, "/v1/training-jobs")
    )

    assert {**estimated, "instance": ""} == {**submitted, "instance": ""}


def test_estimate_of_a_training_over_the_limit_says_what_is_too_large(client: FlaskClient, settings: Settings) -> None:
    small = create_app(settings.model_copy(update={"trainer_memory_bytes": 100 * MiB})).test_client()

    assert_problem(small.post(PATH, json=MINIMAL | {"preset": "fast"}), 422, "training_too_large")
