"""`python -m services.images.digests`: writes the registries' digests into the list, and prints them as variables."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from services.images.check import problems
from services.images.digests import update, variables
from services.images.listed import LIST, Entry, entries
from tests.support.programs.processes import ROOT

OLD, NEW = (f"sha256:{digit * 64}" for digit in "ab")
TODAY = date(2026, 11, 28)
HEAD = "# the list\n\n"
# A fake `docker buildx imagetools inspect`: it has one tag, and reports any other as not found.
DOCKER = f"""#!/bin/sh
[ "$1 $2 $3 $4" = "buildx imagetools inspect --format" ] || exit 9
case $6 in
  redis:8.8-trixie) echo {NEW} ;;
  nginx:1.30-trixie) echo nonsense ;;
  *) echo "warning" >&2; echo "ERROR: $6: not found" >&2; exit 1 ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a list, and a fake registry."""
    command = tmp_path / "bin" / "docker"
    command.parent.mkdir()
    command.write_text(DOCKER)
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=os.pathsep)
    (tmp_path / LIST).parent.mkdir(parents=True)
    return tmp_path


def write(folder: Path, *lines: str) -> None:
    (folder / LIST).write_text(HEAD + "\n".join(lines) + "\n")


def read(folder: Path) -> list[Entry]:
    return [each for each in entries((folder / LIST).read_text()) if isinstance(each, Entry)]


@pytest.mark.parametrize("before", ["-", OLD])
def test_an_update_writes_the_digest_and_the_day(folder: Path, before: str) -> None:
    write(folder, f"redis:8.8-trixie {before} 2026-08-21 the job records")

    assert update(folder, TODAY) == []

    assert read(folder) == [Entry(3, "redis:8.8-trixie", NEW, TODAY, "the job records")]
    assert (folder / LIST).read_text().startswith(HEAD)


def test_a_tag_that_cannot_be_read_keeps_its_line_and_is_named(folder: Path) -> None:
    write(
        folder,
        "redis:8.8-trixie - 2026-08-21 the job records",
        f"prom/prometheus:v3.13.4 {OLD} 2026-08-21 metrics",
        "nginx:1.30-trixie - 2026-08-21 the gateway",
    )

    gone, nonsense = update(folder, TODAY)

    kept = "could not be read and keeps its line"
    assert gone == f"{LIST}:4: prom/prometheus:v3.13.4 {kept}: ERROR: prom/prometheus:v3.13.4: not found"
    assert nonsense == f"{LIST}:5: nginx:1.30-trixie {kept}: docker printed 'nonsense', which is not a digest"
    assert [(entry.digest, str(entry.verified)) for entry in read(folder)] == [
        (NEW, str(TODAY)),
        (OLD, "2026-08-21"),
        (None, "2026-08-21"),
    ]


def test_update_without_docker_does_not_change_the_list(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, "redis:8.8-trixie - 2026-08-21 the job records")
    before = (folder / LIST).read_text()
    monkeypatch.setenv("PATH", str(folder))

    [failure] = update(folder, TODAY)

    assert failure.endswith("the command `docker` was not found; install Docker")
    assert (folder / LIST).read_text() == before


def test_a_known_digest_becomes_a_variable(folder: Path) -> None:
    write(
        folder,
        "redis:8.8-trixie - 2026-08-21 the job records",
        f"prom/prometheus:v3.13.4 {OLD} 2026-08-21 metrics",
    )
    assert variables(folder) == [f"GLASSBOX_PROMETHEUS_DIGEST=@{OLD}"]


def test_the_command_prints_the_variables_and_names_its_failures(folder: Path) -> None:
    write(folder, f"prom/prometheus:v3.13.4 {OLD} 2026-08-21 metrics")

    printed, updated = (
        subprocess.run(
            [sys.executable, "-m", "services.images.digests", command, str(folder)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        for command in ("env", "update")
    )

    assert (printed.returncode, printed.stdout) == (0, f"GLASSBOX_PROMETHEUS_DIGEST=@{OLD}\n")
    assert updated.returncode == 1
    assert updated.stderr.startswith(f"images: {LIST}:3: prom/prometheus:v3.13.4 could not be read")


def test_each_listed_image_has_a_variable_that_compose_appends_to_it() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    for entry in read(ROOT):
        assert f"${{{entry.variable}:-}}" in compose
    assert list(problems(ROOT)) == []


@pytest.mark.parametrize(("service", "variable"), [("api", "PYTHON"), ("worker", "PYTHON"), ("gateway", "NGINX")])
def test_a_dockerfile_appends_the_digest_to_each_use_of_its_base(service: str, variable: str) -> None:
    lines = (ROOT / "services" / service / "Dockerfile").read_text().splitlines()
    uses = [line for line in lines if line.startswith("FROM ")]
    assert uses
    assert all(f"${{{variable}}}${{{variable}_DIGEST}}" in line for line in uses)
