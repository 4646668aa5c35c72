"""The API in the test's process, with a real Redis and an empty volume."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from api.app import create_app
from shared.registry import ModelVersion, Registry
from shared.runtime.settings import Settings
from tests.support.objects.models import publish


@pytest.fixture(scope="session", autouse=True)
def no_url_builders() -> Iterator[None]:
    """Routes without functions that build URLs: the API builds none, and they take half the time of `create_app`."""

    def unused(*_: object) -> tuple[str, str]:
        raise NotImplementedError("these tests build no URLs")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", lambda *_: unused)
        yield


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings without rate limits, which would add keys to the Redis that tests inspect."""
    return settings.model_copy(update={"rate_limit": 0.0, "submit_rate_limit": 0.0})


@pytest.fixture
def app(settings: Settings) -> Flask:
    """The application, as gunicorn runs it."""
    return create_app(settings)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the API."""
    return app.test_client()


@pytest.fixture
def client_without_redis(settings: Settings, tmp_path: Path) -> FlaskClient:
    """A client of the API while Redis is down."""
    return create_app(settings.model_copy(update={"redis_url": f"unix://{tmp_path}/no.sock"})).test_client()


@pytest.fixture
def model(registry: Registry) -> ModelVersion:
    """A published model, `toy@1`."""
    return publish(registry)
