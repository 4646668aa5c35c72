"""`GET /v1/presets`."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.resources.trainings.training_jobs import TrainingRequest
from shared.network import Configuration
from shared.network.configuration import PRESET_ONLY
from shared.network.selection.presets import AUTO, PRESETS


def presets(client: FlaskClient) -> dict[str, Any]:
    return {item["name"]: item for item in client.get("/v1/presets").get_json()["items"]}


def test_every_preset_has_a_description(client: FlaskClient) -> None:
    listed = presets(client)

    assert listed.keys() == {AUTO, *PRESETS}
    assert all(each["description"].endswith(".") for each in listed.values())


def test_the_values_of_a_preset_are_its_configuration(client: FlaskClient) -> None:
    values = {name: each["configuration"] for name, each in presets(client).items()}

    assert values.pop(AUTO) is None
    assert {name: Configuration.from_dict(each) for name, each in values.items()} == PRESETS


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_the_values_of_a_preset_are_valid_in_a_request(client: FlaskClient, name: str) -> None:
    values = presets(client)[name]["configuration"]
    settings = {field: value for field, value in values.items() if field not in PRESET_ONLY}

    request = TrainingRequest.model_validate({"model": "m", "dataset": "digits", "preset": name, **settings})
    assert request.chosen_preset == name


def test_presets_are_listed_in_pages(client: FlaskClient) -> None:
    first = client.get("/v1/presets?limit=1").get_json()
    rest = client.get("/v1/presets", query_string={"after": first["next"]}).get_json()

    assert [item["name"] for item in (*first["items"], *rest["items"])] == sorted([AUTO, *PRESETS])


def test_presets_need_no_redis(client_without_redis: FlaskClient, app: Flask) -> None:
    assert presets(client_without_redis) == presets(app.test_client())
