"""The variables in docker-compose.yml: each service gets the settings that its code reads, and no others."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from shared.runtime.settings import Settings
from tests.support.programs.processes import ROOT
from tests.support.settings_read import settings_read_by

PREFIX = "GLASSBOX_"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]

WORKER = ("worker/__main__.py",)
ENTRIES = {
    "api": ("services/api/gunicorn.conf.py", "api/__init__.py", "api/auth/admin.py"),
    "trainer": (*WORKER, "worker/backup/__main__.py"),
    "classifier": WORKER,
    "courier": ("worker/webhooks/__main__.py",),
}
INDEXING = {  # settings that `shared` reads while it validates an upload or a source, which only the API does
    "import_buckets",
    "source_seconds",
    "max_archive_entries",
    "max_compression_ratio",
    "max_expanded_bytes",
    "max_image_pixels",
    "max_name_bytes",
    "max_names_bytes",
    "max_zstd_window_bytes",
}
# All workers import the same modules. The ones listed here do not run in the service.
UNUSED: dict[str, tuple[str, ...]] = {
    "api": (),
    "trainer": ("worker/batch/job.py", "worker/batch/helper.py", "worker/batch/shard.py", "shared/archives"),
    "classifier": ("worker/training/job.py", "worker/training/reproduction.py"),
    "courier": ("shared/archives",),
}
ONLY_IN = {
    # worker/app.py reads these for one of the two queues; the API weighs trainings with the trainer's.
    "classifier_memory_bytes": ("classifier",),
    "trainer_memory_bytes": ("api", "trainer"),
    # The API reads these for a trainer in its own deployment if that is embedded.
    "replicas": ("trainer", "classifier"),
    "worker_processes": ("trainer", "classifier"),
}
NOT_UNDER_COMPOSE = {"revision", "presence_file"}  # the images set them


def variables(service: str) -> set[str]:
    return set(SERVICES[service].get("environment", {}))


def part(file: str, service: str) -> dict[str, Any]:
    """Return a service in a file that docker-compose.yml includes or extends."""
    services: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "services/compose" / file).read_text())["services"]
    return services[service]


def settings_of(service: str) -> set[str]:
    names = {name.removeprefix(PREFIX).lower() for name in variables(service) if name.startswith(PREFIX)}
    assert names <= set(Settings.model_fields), "a variable that is not a setting"
    return names


@pytest.mark.parametrize("service", ENTRIES)
def test_a_service_gets_the_settings_that_its_code_reads(service: str) -> None:
    read = settings_read_by(ENTRIES[service], UNUSED[service])
    read -= {field for field, services in ONLY_IN.items() if service not in services} | NOT_UNDER_COMPOSE
    if service == "classifier":
        read -= INDEXING - settings_read_by(["worker/app.py"], ["shared/archives"])

    assert settings_of(service) == read


def test_every_setting_reaches_a_service_or_is_listed_as_not_under_compose() -> None:
    reached = set().union(*map(settings_of, ENTRIES))
    assert reached.isdisjoint(NOT_UNDER_COMPOSE)
    assert reached | NOT_UNDER_COMPOSE == set(Settings.model_fields)


@pytest.mark.parametrize("service", [name for name in SERVICES if "profiles" not in SERVICES[name]])
def test_a_service_depends_only_on_services_that_no_variable_changes(service: str) -> None:
    """Compose recreates each service that depends on one that it recreates."""
    for name, dependency in SERVICES[service].get("depends_on", {}).items():
        assert dependency["condition"] == "service_completed_successfully"
        assert variables(name) == set()
        assert "$" not in str({**SERVICES[name], "build": None, "image": None, "pull_policy": None})


def test_the_check_gets_each_setting_that_the_environment_can_change_but_no_secret() -> None:
    changeable = {
        name
        for service in (*ENTRIES, "gateway")
        for name, value in SERVICES[service]["environment"].items()
        if value is None or "$" in str(value)
    }
    of_the_store = {f"GLASSBOX_S3_{name}" for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "CREDENTIALS_FILE")}
    secrets = {"GLASSBOX_WEBHOOK_SECRETS", *of_the_store, *(name for name in changeable if name.startswith("OTEL_"))}
    elsewhere = {"GLASSBOX_REPLICAS", "GLASSBOX_TLS"}  # Compose itself checks the number; the folder is HOST_TLS

    assert changeable - secrets - elsewhere <= variables("check")
    assert variables("check").isdisjoint(secrets)

    assert variables("preflight") == set()  # else a change would recreate it, and the services that depend on it


def test_no_service_gets_a_whole_file_of_variables() -> None:
    assert [name for name, service in SERVICES.items() if "env_file" in service] == []


def test_no_service_gets_the_attributes_that_compose_sets_for_its_own_traces() -> None:
    """The docker command sets OTEL_RESOURCE_ATTRIBUTES for its plugins, which would override the line in `.env`."""
    assert "OTEL_RESOURCE_ATTRIBUTES:\n" not in (ROOT / "docker-compose.yml").read_text()


def test_only_services_that_send_traces_get_the_credentials_of_the_collector() -> None:
    senders = {name for name in SERVICES if any(variable.startswith("OTEL_") for variable in variables(name))}
    assert senders == {name for name in ENTRIES if "GLASSBOX_TRACES" in variables(name)}


def test_the_gateway_gets_the_variables_that_its_start_script_reads() -> None:
    script = (ROOT / "services/gateway/start.sh").read_text()
    fixed = {"GLASSBOX_PORT", "GLASSBOX_API"}  # the container's own port, and the API's address on its network
    passed = variables("gateway") | set(part("gateway.yml", "gateway-with-domain")["environment"])

    assert {name for name in passed if f"{{{name}" not in script} == set()
    assert {name for name in fixed if f"{{{name}" not in script} == set()


def test_the_certificates_service_gets_the_variables_that_its_code_reads() -> None:
    options = (ROOT / "services/certificates/options.py").read_text()
    read = set(re.findall(r'environment\.get\("([A-Z_]+)"', options))
    assert set(part("certificates-with-domain.yml", "certificates")["environment"]) == read


def test_an_unset_variable_has_the_default_of_the_code() -> None:
    """A default in the Compose file would repeat the code's; an empty string would be a value."""
    interpolated = {
        (service, name): value
        for service in ENTRIES
        for name, value in SERVICES[service]["environment"].items()
        if value is not None and "$" in str(value)
    }

    keys = interpolated.pop(("api", "GLASSBOX_API_KEYS_FILE"))
    assert keys == "${GLASSBOX_API_KEYS_FILE:-${GLASSBOX_DOMAIN:+/etc/glassbox/keys}}"
    folder = interpolated.pop(("api", "GLASSBOX_IMPORT_FOLDERS"))
    assert folder == "${GLASSBOX_IMPORT_FOLDERS:+/imports}"  # where the folder of the host is mounted
    for service in ("api", "classifier"):
        assert interpolated.pop((service, "GLASSBOX_EXPORT_FOLDERS")) == "${GLASSBOX_EXPORT_FOLDERS:+/exports}"
        file = interpolated.pop((service, "GLASSBOX_S3_CREDENTIALS_FILE"))
        assert file == "${GLASSBOX_S3_CREDENTIALS_FILE:+/run/glassbox-s3/credentials}"
    for service in ("api", "trainer", "classifier"):  # if it is empty, OpenTelemetry treats it as unset
        assert interpolated.pop((service, "OTEL_RESOURCE_ATTRIBUTES")) == "${GLASSBOX_TRACES_ATTRIBUTES:-}"
    assert set(interpolated) == {
        ("api", "GLASSBOX_PUBLISHED_ON"),
        ("trainer", "GLASSBOX_REPLICAS"),
        ("classifier", "GLASSBOX_REPLICAS"),
    }
    assert all(":-" in value and not value.endswith(":-}") for value in interpolated.values())
