"""Log context: job records hold the request's id and key name, and log lines the request's id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask, request
from flask.testing import FlaskClient

from api.app import create_app
from api.auth.keys import KeysFile, new_key, parse_scopes
from api.middleware.request_log import ENVIRON
from shared.jobs import JobStore
from shared.runtime import log_context
from shared.runtime.settings import Settings

TRAINING = {"model": "toy", "dataset": "digits"}


def test_job_record_has_the_request_id(client: FlaskClient, jobs: JobStore) -> None:
    response = client.post("/v1/training-jobs", json=TRAINING, headers={"X-Request-Id": "mine-1"})

    assert response.status_code == 202
    job = jobs.get(response.get_json()["id"])
    assert (job.request_id, job.key) == ("mine-1", None)


def test_job_record_has_the_name_of_the_key_without_the_key(settings: Settings, jobs: JobStore, tmp_path: Path) -> None:
    key, line = new_key("laptop", parse_scopes("submit"))
    keys = KeysFile(tmp_path / "keys")
    keys.write([line])
    client = create_app(settings.model_copy(update={"api_keys_file": keys.path})).test_client()

    response = client.post("/v1/training-jobs", json=TRAINING, headers={"X-API-Key": key})

    job = jobs.get(response.get_json()["id"])
    assert job.key == "laptop"
    assert key not in job.model_dump_json()


def test_log_context_has_the_request_id_until_the_request_ends(app: Flask) -> None:
    seen: dict[str, str] = {}
    environ: dict[str, Any] = {}

    def view() -> str:
        nonlocal environ
        environ = request.environ
        seen.update(log_context.current())
        return ""

    app.add_url_rule("/look", view_func=view)
    app.test_client().get("/look", headers={"X-Request-Id": "mine-1"})

    assert seen["request_id"] == "mine-1"
    assert environ[ENVIRON] == seen
    assert log_context.current() == {}
