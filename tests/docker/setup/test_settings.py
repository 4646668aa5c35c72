"""The settings of the containers: each service gets the variables that it reads, from the shell or from `.env`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers.deployment import OURS, SERVICES, Deployment

TIMEOUT = "GLASSBOX_WEBHOOK_TIMEOUT"


def ids(deployment: Deployment) -> dict[str, str]:
    return {service: deployment.container(service) for service in SERVICES}


def environment_of(deployment: Deployment, service: str, *arguments: str, **variables: str) -> dict[str, str | None]:
    described = json.loads(deployment.compose(*arguments, "config", "--format", "json", check=True, **variables))
    environment: dict[str, str | None] = described["services"][service].get("environment", {})
    return environment


@pytest.fixture
def unchanged(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment; its variables are restored after the test."""
    yield deployment
    deployment.up()


@pytest.mark.parametrize(
    ("variable", "value", "readers"),
    [
        (TIMEOUT, "7", {"courier"}),
        ("GLASSBOX_RATE_LIMIT", "400", {"api"}),
        ("GLASSBOX_MAX_UPLOADS", "40", {"gateway"}),
        ("GLASSBOX_HEARTBEAT_SECONDS", "9", {"trainer", "classifier"}),
    ],
)
def test_a_changed_variable_restarts_the_services_that_read_it(
    unchanged: Deployment, variable: str, value: str, readers: set[str]
) -> None:
    before = ids(unchanged)

    unchanged.up(**{variable: value})

    after = ids(unchanged)
    assert {service for service in SERVICES if before[service] != after[service]} == readers


def test_variables_come_from_env_file_and_shell_and_the_shell_takes_precedence(
    deployment: Deployment, tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    file.write_text(f"{TIMEOUT}=8\nGLASSBOX_LEASE_SECONDS=40\n")
    with_file = ("--env-file", str(file))

    assert environment_of(deployment, "courier", *with_file)[TIMEOUT] == "8"
    assert environment_of(deployment, "courier", *with_file, **{TIMEOUT: "9"})[TIMEOUT] == "9"
    assert environment_of(deployment, "trainer", *with_file)["GLASSBOX_LEASE_SECONDS"] == "40"
    assert environment_of(deployment, "courier", **{TIMEOUT: "9"})[TIMEOUT] == "9"
    assert environment_of(deployment, "courier")[TIMEOUT] is None


@pytest.mark.parametrize("service", OURS)
def test_an_unset_variable_is_not_in_the_container(deployment: Deployment, service: str) -> None:
    shown = deployment.run_in(service, "env").stdout
    assert "GLASSBOX_LOG_LEVEL" not in shown
    assert "GLASSBOX_REDIS_URL=" in shown


def test_a_service_gets_no_variable_that_it_does_not_read(unchanged: Deployment) -> None:
    secret = "whsec_" + "c2VjcmV0" * 4
    unchanged.up(GLASSBOX_WEBHOOK_SECRETS=secret, OTHER="of the host", OTEL_EXPORTER_OTLP_HEADERS="authorization=token")

    shown = {service: json.dumps(unchanged.inspect(service)["Config"]["Env"]) for service in SERVICES}

    assert {service for service in SERVICES if secret in shown[service]} == {"courier"}
    assert {service for service in SERVICES if "authorization=token" in shown[service]} == {
        "api",
        "trainer",
        "classifier",
    }
    assert not any("of the host" in environment for environment in shown.values())
