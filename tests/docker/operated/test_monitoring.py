"""Changed files of a running Prometheus: it reloads them on a signal, and an upgrade checks them first."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.docker.operated.conftest import Operated, Prometheus
from tests.support.programs.processes import ROOT
from tests.support.waiting import eventually


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A folder with the Compose file and its mounted files."""
    shutil.copytree(ROOT / "services", tmp_path / "services", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    return tmp_path


def replace_rules(sources: Path, old: str, new: str) -> None:
    """Change the rules as editors and git do: by a new file of the same name."""
    rules = sources / "services" / "prometheus" / "rules.yml"
    content = rules.read_text()
    assert old in content
    other = rules.with_suffix(".new")
    other.write_text(content.replace(old, new))
    other.rename(rules)


def test_prometheus_reloads_changed_rules_on_the_signal(
    operated: Operated, prometheus: Prometheus, sources: Path
) -> None:
    started = operated.run(sources, "sh", "-c", "docker compose up --detach --no-deps --wait prometheus")
    assert started.returncode == 0, started.stderr
    replace_rules(sources, "  - name: alerts\n", "  - name: changed\n")

    done = operated.run(sources, "sh", "-c", "docker compose kill --signal HUP prometheus")

    assert done.returncode == 0, done.stderr
    assert eventually(lambda: "changed" in prometheus.rule_groups())


def test_prometheus_keeps_running_if_it_would_reject_the_files_of_an_upgrade(
    operated: Operated, prometheus: Prometheus, sources: Path
) -> None:
    replace_rules(sources, "groups:\n", "groups:\n  - name: [\n")
    before = operated.container("prometheus")

    done = operated.run(sources, "services/compose/roll.sh", "prometheus grafana")

    assert done.returncode == 1
    assert "Prometheus rejects its files in services/prometheus" in done.stderr
    assert operated.containers("prometheus") == [before]
    assert "alerts" in prometheus.rule_groups()
