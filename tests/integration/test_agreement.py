"""`/openapi.json` and the server agree: the response to each request is documented.

Schemathesis generates requests from the document: valid ones, and ones with an error at each point. No response may be
a 500, have an undocumented status, media type, header or body, or accept a request that the document rejects.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig

from api.app import create_app
from api.openapi import document
from shared.runtime.settings import Settings
from tests.support.data.archives import zip_of_images
from tests.support.data.npz import easy_arrays, easy_images, npz
from tests.support.network import free_port
from tests.support.objects.documented import EXAMPLES, Served, documented_settings, served_on
from tests.support.programs.processes import Process
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import eventually

IN_PROCESS, OVER_HTTP = 3, 4  # this module's Redis databases
REJECTED = [400, 401, 403, 404, 405, 409, 411, 412, 413, 415, 422]
CHECKS = {
    "negative_data_rejection": {"expected-statuses": REJECTED},
    "positive_data_acceptance": {"enabled": False},  # a schema cannot describe which archives and models exist
}
SCHEMA = schemathesis.openapi.from_dict(
    document(create_app(Settings(bind="127.0.0.1", published_on=None, api_keys_file=None)), keys_needed=True),
    config=SchemathesisConfig.from_dict(
        {"checks": CHECKS, "generation": {"max-examples": 10, "deterministic": True, "database": "none"}}
    ),
)
SCHEMA.app = SERVED = Served()


@schemathesis.check
def documented_code(context: object, response: schemathesis.Response, case: schemathesis.Case[Any]) -> None:
    """Check that the document lists the code of an error for the operation and the status."""
    documented = case.operation.definition.raw["responses"].get(str(response.status_code))
    if documented is not None and response.headers.get("content-type") == ["application/problem+json"]:
        codes = documented["x-codes"]
        code = response.json()["code"]
        assert any(fnmatchcase(code, pattern) for pattern in codes), f"{code!r} is not one of {codes}"


schemathesis.serializer.alias(
    ["application/gzip", "application/x-tar", "application/zip", "application/offset+octet-stream"],
    "application/octet-stream",
)
FILES = {
    "/v1/datasets": ("file", npz(easy_arrays())),
    "/v1/batch-jobs": ("archive", zip_of_images(easy_images(3)[0])),
}


@pytest.fixture(scope="module", autouse=True)
def served(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with served_on(redis_server, IN_PROCESS, tmp_path_factory.mktemp("served"), SERVED):
        yield


@pytest.fixture(autouse=True)
def filled(served: None) -> None:
    SERVED.refill()


@SCHEMA.parametrize()
def test_each_response_is_documented(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {SERVED.key}"})


@SCHEMA.parametrize()
def test_each_response_about_an_existing_resource_is_documented(case: schemathesis.Case[Any]) -> None:
    for name in case.path_parameters:
        case.path_parameters[name] = EXAMPLES.get(name, case.path_parameters[name])
    if case.path == "/v1/datasets/{reference}":
        case.path_parameters["reference"] = EXAMPLES["name"]
    if case.path in FILES:
        part, content = FILES[case.path]
        form: Any = {part: content}
        case.body = form if case.media_type == "multipart/form-data" else content
        case.query |= {"model": EXAMPLES["name"]} if case.path == "/v1/batch-jobs" else {}
        case.headers.pop("Content-Digest", None)
    case.headers.pop("Idempotency-Key", None)

    case.call_and_validate(
        headers={"Authorization": f"Bearer {SERVED.key}"}, excluded_checks=[schemathesis.checks.negative_data_rejection]
    )


def test_the_error_responses_of_gunicorn_are_documented(
    redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, port = tmp_path_factory.mktemp("gunicorn"), free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "gunicorn", "--config", "services/api/gunicorn.conf.py", "api:create_app()"]
    with documented_settings(redis_server, OVER_HTTP, folder) as (settings, key):
        environment = {
            "GLASSBOX_REDIS_URL": settings.redis_url,
            "GLASSBOX_VOLUME": str(settings.volume),
            "GLASSBOX_API_KEYS_FILE": str(settings.api_keys_file),
            "GLASSBOX_PORT": str(port),
            "GLASSBOX_RATE_LIMIT": "0",
            "GLASSBOX_SUBMIT_RATE_LIMIT": "0",
        }
        # A documented file of another server cannot be downloaded here: 503 with the code `source_unavailable`.
        unavailable = 'not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 503]'
        (folder / "schemathesis.toml").write_text(f"[checks]\n{unavailable}\n")
        with Process("api", command, folder, environment) as api:
            eventually(lambda: is_live(url, api))
            options = [
                "--seed",
                "1",
                "--max-examples",
                "3",
                "--generation-deterministic",
                "--phases",
                "examples,fuzzing",
                "--exclude-path-regex",
                "^/v1/uploads",  # the command has no serializer for the media type of tus
            ]
            checked = subprocess.run(
                [Path(sys.executable).with_name("schemathesis"), "run", f"{url}/openapi.json", *options,
                 "--exclude-checks", "positive_data_acceptance,negative_data_rejection", "--no-color",
                 "--header", f"Authorization: Bearer {key}"],
                cwd=folder, capture_output=True, text=True, check=False,
            )  # fmt: skip

    assert checked.returncode == 0, checked.stdout


def is_live(url: str, api: Process) -> bool:
    api.check_alive()
    try:
        return httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
