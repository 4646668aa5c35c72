"""The Compose files for development: they use the folder's sources, and restart when one changes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.programs.processes import ROOT
from tests.support.servers.deployment import Deployment
from tests.support.waiting import eventually

SOURCES = ("api", "shared", "ui", "worker", "services", "requirements")
FILES = ("docker-compose.yml", "docker-compose.dev.yml")


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of the sources to change."""
    for folder in SOURCES:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (*FILES, ".dockerignore", ".env.example"):
        shutil.copy(ROOT / file, tmp_path)
    return tmp_path


@pytest.fixture
def development(engine: None, sources: Path) -> Iterator[Deployment]:
    deployment = Deployment(sources, FILES)
    try:
        deployment.compose("build", "--quiet")
        deployment.up("gateway", "api", "trainer", "redis")
        yield deployment
    except BaseException:
        deployment.print_logs()
        raise
    finally:
        deployment.down()


def test_a_change_of_a_source_takes_effect_at_once(development: Deployment, sources: Path) -> None:
    assert development.get("/readyz")["workers"]["training"] == 1

    (sources / "shared" / "runtime" / "version.py").write_text('"""Changed."""\n\nVERSION = "changed"\n')

    eventually(lambda: b'version="changed"' in development.request("GET", "/metrics"))
    eventually(lambda: "a source has changed" in development.compose("logs", "trainer"))
    assert development.train(epochs=1)["result"]["version"] == 1
