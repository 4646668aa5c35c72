"""`roll.sh` with a docker command that records its arguments: how it replaces the monitoring."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.programs.processes import ROOT

DOCKER = """#!/bin/sh
printf '%s\\n' "$*" >>"$RECORD"
case "$*" in
  "compose ps --quiet"*) case " $RUNNING " in *" $4 "*) echo "id-of-$4" ;; esac ;;
  *promtool*) exit "$PROMTOOL" ;;
esac
"""
MONITORING = "prometheus grafana"


@dataclass
class Engine:
    """A docker command that records its arguments."""

    folder: Path

    def roll(self, *groups: str, running: str, promtool: int = 0) -> subprocess.CompletedProcess[str]:
        """Run `roll.sh` while some services run; promtool ends with a status."""
        binary = self.folder / "docker"
        binary.write_text(DOCKER)
        binary.chmod(0o755)
        environment = {
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "RECORD": str(self.folder / "record"),
            "RUNNING": running,
            "PROMTOOL": str(promtool),
        }
        script = ROOT / "services" / "compose" / "roll.sh"
        return subprocess.run([script, *groups], env=environment, capture_output=True, text=True, check=False)

    def changes(self) -> list[str]:
        """The commands other than `ps`, without "compose"."""
        lines = (self.folder / "record").read_text().splitlines()
        return [line.removeprefix("compose ") for line in lines if not line.startswith("compose ps")]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path)


def test_monitoring_is_replaced_after_its_files_are_checked(engine: Engine) -> None:
    assert engine.roll(MONITORING, running=MONITORING).returncode == 0

    check, up = engine.changes()
    assert check.startswith("run --rm --no-deps")
    assert check.endswith("--entrypoint promtool prometheus check config /etc/prometheus/prometheus.yml")
    assert up == "up --detach --no-build --wait --no-deps --force-recreate prometheus grafana"


def test_other_services_keep_the_definition_that_a_deployment_gives_them(engine: Engine) -> None:
    """With another definition, the next `docker compose up` would recreate them all."""
    assert engine.roll("courier trainer", "api", "gateway", running="trainer api gateway").returncode == 0

    ups = [change for change in engine.changes() if change.startswith("up")]
    assert len(ups) == 4
    assert [up for up in ups if "--no-deps" in up] == []


def test_monitoring_that_does_not_run_is_not_started(engine: Engine) -> None:
    assert engine.roll(MONITORING, running="api trainer").returncode == 0

    assert engine.changes() == []


@pytest.mark.parametrize("service", ["prometheus", "grafana"])
def test_a_monitoring_service_that_runs_alone_is_replaced_alone(engine: Engine, service: str) -> None:
    assert engine.roll(MONITORING, running=service).returncode == 0

    assert engine.changes()[-1].endswith(f"--force-recreate {service}")


def test_files_that_prometheus_rejects_replace_neither_service(engine: Engine) -> None:
    done = engine.roll(MONITORING, running=MONITORING, promtool=1)

    assert done.returncode == 1
    assert "Prometheus rejects its files in services/prometheus" in done.stderr
    assert not any(change.startswith("up") for change in engine.changes())
