"""Hostile archives over HTTP: each gets its status and code, and leaves nothing."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from api import create_app
from shared.settings import Settings
from shared.volume import Volume
from tests.support.files import files_below, left_behind
from tests.support.hostile import CORPUS, LYING, ZIP, Hostile, Lying, empties
from tests.support.problems import assert_problem

PATH = "/v1/batch-jobs?model=toy"

pytestmark = pytest.mark.usefixtures("model")


@pytest.mark.parametrize("hostile", CORPUS, ids=lambda hostile: hostile.name)
def test_it_gets_its_status_and_leaves_nothing(
    client: FlaskClient, volume: Volume, redis: Redis, hostile: Hostile
) -> None:
    before = left_behind(volume)

    assert_problem(client.post(PATH, data=hostile.build()), hostile.status, hostile.code)

    assert left_behind(volume) == before
    assert files_below(volume.incoming) == []
    assert redis.keys("*") == []
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("lying", LYING, ids=lambda lying: lying.name)
def test_an_archive_in_which_single_entries_lie_is_accepted(client: FlaskClient, lying: Lying) -> None:
    assert client.post(PATH, data=lying.build()).status_code == 202


def test_a_hundred_thousand_empty_entries_are_accepted(client: FlaskClient) -> None:
    response = client.post(PATH, data=empties(100_000))

    assert response.status_code == 202
    assert response.get_json()["progress"]["total"] == 100_000


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        ("max_body_bytes", len(ZIP) - 1, "body_too_large"),
        ("max_archive_entries", 1, "archive_too_large"),
        ("max_expanded_bytes", 100, "archive_too_large"),
        ("max_entry_bytes", 50, "archive_entry_too_large"),
    ],
)
def test_each_limit_is_a_setting(settings: Settings, volume: Volume, setting: str, value: int, code: str) -> None:
    app: Flask = create_app(settings.model_copy(update={setting: value}))

    assert_problem(app.test_client().post(PATH, data=ZIP), 413, code)

    assert files_below(volume.incoming) == []
