"""The profile `observability`: Prometheus with Glassbox's rules scrapes the API."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator

import pytest

from tests.support.base_images import base_image
from tests.support.network import free_port
from tests.support.programs.processes import ROOT
from tests.support.servers.deployment import Deployment, Json
from tests.support.waiting import eventually

IMAGE = base_image("prom/prometheus")


@pytest.fixture(scope="module")
def prometheus(deployment: Deployment, training: Json) -> Iterator[int]:
    """Prometheus's port. Grafana only queries Prometheus; tests/unit/services tests its files."""
    port = free_port()
    deployment.environment["GLASSBOX_PROMETHEUS_PORT"] = str(port)
    deployment.up("--no-deps", "prometheus")
    try:
        yield port
    finally:
        deployment.compose("rm", "--force", "--stop", "prometheus")


def query_prometheus(port: int, path: str, **query: str) -> Json:
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=10) as response:
        document: Json = json.load(response)["data"]
    return document


def test_prometheus_scrapes_every_api(prometheus: int) -> None:
    def up() -> list[str]:
        return [target["health"] for target in query_prometheus(prometheus, "targets")["activeTargets"]]

    eventually(lambda: up() == ["up"], within=60)


def test_prometheus_has_the_metrics_of_jobs(prometheus: int) -> None:
    query = 'glassbox_jobs_total{kind="training",state="succeeded"} > 0'
    eventually(lambda: query_prometheus(prometheus, "query", query=query)["result"], within=60)


def test_prometheus_has_loaded_the_rules_and_no_alert_fires(prometheus: int) -> None:
    groups = query_prometheus(prometheus, "rules")["groups"]
    assert {group["name"] for group in groups} == {"requests", "jobs", "alerts"}
    rules = [rule for group in groups for rule in group["rules"]]
    eventually(lambda: all(rule["lastError"] == "" for rule in rules if "lastError" in rule))
    assert query_prometheus(prometheus, "query", query='ALERTS{alertstate="firing"}')["result"] == []


def test_prometheus_is_as_restricted_as_the_other_services(deployment: Deployment, prometheus: int) -> None:
    container = deployment.inspect("prometheus")
    assert container["HostConfig"]["ReadonlyRootfs"] is True
    assert container["HostConfig"]["CapDrop"] == ["ALL"]
    assert container["Config"]["User"] == "65534:65534"
    assert [where["HostIp"] for where in container["NetworkSettings"]["Ports"]["9090/tcp"]] == ["127.0.0.1"]


@pytest.mark.parametrize(
    "check", ["check config --syntax-only prometheus.yml", "check rules rules.yml", "test rules rules.test.yml"]
)
def test_promtool_accepts_the_configuration_and_the_rules(engine: None, check: str) -> None:
    folder = ROOT / "services" / "prometheus"
    mounted = ["--volume", f"{folder}:/etc/prometheus:ro", "--workdir", "/etc/prometheus"]
    command = [
        "docker",
        "run",
        "--rm",
        "--network",
        "none",
        *mounted,
        "--entrypoint",
        "promtool",
        IMAGE,
        *check.split(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout
