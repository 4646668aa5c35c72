"""A job's webhook, from its request or the settings."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.app import create_app
from shared.datasets import DatasetStore
from shared.jobs import JobStore
from shared.jobs.task_queue import DISPATCHER, Presence, connect
from shared.registry import ModelVersion
from shared.runtime.settings import Settings
from tests.support.data.archives import zip_of_images
from tests.support.data.npz import easy_images
from tests.support.objects.bench import WorkBench
from tests.support.problems import assert_problem, parameters, pointers

URL = "https://example.org/hook"


def train(client: FlaskClient, **request: Any) -> TestResponse:
    return client.post("/v1/training-jobs", json={"model": "toy", "dataset": "easy", **request})


def classify(client: FlaskClient, **options: str) -> TestResponse:
    archive = zip_of_images(easy_images(3)[0])
    return client.post("/v1/batch-jobs", query_string={"model": "toy", **options}, data=archive)


@pytest.fixture(autouse=True)
def dataset(settings: Settings) -> None:
    WorkBench(settings).dataset()


def webhook_of(response: TestResponse, jobs: JobStore) -> str | None:
    assert response.status_code == 202, response.text
    return jobs.get(response.get_json()["id"]).webhook


def test_training_and_batch_accept_a_webhook(client: FlaskClient, jobs: JobStore, model: ModelVersion) -> None:
    assert webhook_of(train(client, webhook=URL), jobs) == URL
    assert webhook_of(classify(client, webhook=URL), jobs) == URL


def test_job_shows_the_webhook_of_its_request(client: FlaskClient) -> None:
    assert train(client, webhook=URL).get_json()["request"]["webhook"] == URL


def test_job_without_a_webhook_has_none(client: FlaskClient, jobs: JobStore, model: ModelVersion) -> None:
    assert webhook_of(train(client), jobs) is None
    assert webhook_of(classify(client), jobs) is None


def test_default_webhook_applies_if_the_request_has_none(
    settings: Settings, jobs: JobStore, model: ModelVersion
) -> None:
    client = create_app(settings.model_copy(update={"webhook_url": URL})).test_client()

    assert webhook_of(train(client), jobs) == URL
    assert webhook_of(classify(client), jobs) == URL
    assert webhook_of(train(client, webhook=URL + "/mine"), jobs) == URL + "/mine"


@pytest.mark.parametrize(
    "url", ["", "example.org", "ftp://example.org/", "http://a:b@example.org/", "http://10.0.0.1/"]
)
def test_disallowed_webhook_is_rejected(client: FlaskClient, model: ModelVersion, url: str) -> None:
    assert pointers(assert_problem(train(client, webhook=url), 422, "validation_failed")) == ["#/webhook"]
    assert parameters(assert_problem(classify(client, webhook=url), 422, "validation_failed")) == ["webhook"]


def test_setting_allows_private_addresses(settings: Settings, jobs: JobStore) -> None:
    client = create_app(settings.model_copy(update={"webhook_allow_private": True})).test_client()

    assert webhook_of(train(client, webhook="http://127.0.0.1:1/"), jobs) == "http://127.0.0.1:1/"


def test_empty_default_webhook_means_none(settings: Settings, jobs: JobStore) -> None:
    client = create_app(settings.model_copy(update={"webhook_url": ""})).test_client()

    assert webhook_of(train(client), jobs) is None


def test_warning_reports_that_no_webhook_dispatcher_is_online(
    client: FlaskClient, settings: Settings, datasets: DatasetStore
) -> None:
    def warned() -> bool:
        return any("webhook dispatcher" in warning for warning in train(client, webhook=URL).get_json()["warnings"])

    assert warned()
    Presence(connect(settings), "one", DISPATCHER, 1).renew()
    assert not warned()
    assert not any("webhook dispatcher" in warning for warning in train(client).get_json()["warnings"])
