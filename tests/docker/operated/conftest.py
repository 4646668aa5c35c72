"""A separate deployment for operators' tasks: backup, restore, upgrade, loss of hosts."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.network import free_port
from tests.support.programs.processes import ROOT
from tests.support.servers.deployment import Deployment

MAKE_SECONDS = 240


class Operated(Deployment):
    """A deployment with the documented commands for operators."""

    def make(self, target: str, folder: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a make target on it, from this folder of sources or another."""
        assignments = [f"{name}={value}" for name, value in variables.items()]
        return self.run(folder, "make", "--no-print-directory", target, *assignments)

    def run(self, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command on it, in a folder with sources."""
        environment = {
            **self.environment,
            "COMPOSE_PROJECT_NAME": self.project,
            "COMPOSE_FILE": str(folder / "docker-compose.yml"),
        }
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=MAKE_SECONDS, check=False
        )


@dataclass(frozen=True)
class Prometheus:
    """Prometheus's HTTP API."""

    port: int

    def rule_groups(self) -> set[str]:
        """Return the names of the loaded rule groups."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/rules", timeout=10) as response:
            return {group["name"] for group in json.load(response)["data"]["groups"]}


@pytest.fixture(scope="package")
def operated(engine: None) -> Iterator[Operated]:
    """The running deployment. Every test leaves it running, with any jobs."""
    deployment = Operated()
    try:
        deployment.build_and_start()
        yield deployment
    finally:
        deployment.down()


@pytest.fixture
def prometheus(operated: Operated) -> Iterator[Prometheus]:
    """The deployment's Prometheus, as `--profile observability` starts it."""
    prometheus = Prometheus(free_port())
    operated.environment["GLASSBOX_PROMETHEUS_PORT"] = str(prometheus.port)
    operated.up("--no-deps", "prometheus")
    try:
        yield prometheus
    finally:
        operated.compose("rm", "--force", "--stop", "prometheus")
        del operated.environment["GLASSBOX_PROMETHEUS_PORT"]


@pytest.fixture(autouse=True)
def logs_of_the_operated(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a failed test, print the containers' logs into its report."""
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed and "operated" in request.fixturenames:
        request.getfixturevalue("operated").print_logs()
