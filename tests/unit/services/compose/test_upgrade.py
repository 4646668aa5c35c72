"""`services/compose/upgrade.sh` and `rollback.sh`: what they pull, build, keep and refuse, with a fake `docker`.

`make test-docker` runs both on a real engine, under load.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.programs.processes import ROOT

NAMES = ("api", "worker", "gateway")
# The engine: images are files `NAME:TAG` with an id in them, containers run the ids in `running-NAME`.
DOCKER = r"""#!/bin/sh
cd "$ENGINE"
file() { echo "$1" | tr / _; }
build() { for image in "$@"; do echo "new-$image" > "r.example_glassbox-$image:2"; done; }
case "$*" in
  "compose ps --services") printf 'api\ntrainer\ngateway\nredis\n'; [ ! "$DOMAIN" ] || echo certificates ;;
  "compose ps --quiet api") echo c-api ;;
  "compose ps --quiet trainer") echo c-worker ;;
  "compose ps --quiet gateway") echo c-gateway ;;
  "compose ps --quiet certificates") echo c-certificates ;;
  "compose ps --quiet "*) ;;
  "inspect --format {{.Image}} c-"*) cat "running-${4#c-}" ;;
  "compose config --images")
    echo base
    for image in api worker gateway certificates; do echo "r.example/glassbox-$image:2"; done ;;
  "compose config") echo "pull_policy: $POLICY" ;;
  "compose build")
    echo "build $GLASSBOX_REVISION" >> log
    build api worker gateway certificates ;;
  "compose pull "* | "pull "*)
    echo "$*" >> log
    [ "$REGISTRY" ] || { echo "Error: no such host" >&2; exit 1; }
    case $4 in api | gateway) build "$4" ;; trainer) build worker ;; esac ;;
  "image inspect --format {{.Id}} "*)
    [ -f "$(file "$5")" ] || { echo "Error: No such image: $5" >&2; exit 1; }
    cat "$(file "$5")" ;;
  "tag "*)
    echo "$*" >> log
    echo "$2" > "$(file "$3")" ;;
  "compose run --rm --no-deps --no-TTY --env EXPORTED "*)
    [ -z "$PROBLEM" ] || { echo "glassbox: $PROBLEM" >&2; exit 1; } ;;
  "compose up "* | "compose create "*) echo "$*" >> log ;;
  *) echo "not expected: $*" >&2; exit 64 ;;
esac
"""


@dataclass
class FakeEngine:
    """A folder with a fake `docker` and the scripts, except the roll itself."""

    folder: Path

    def run(self, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "ENGINE": str(self.folder),
            "POLICY": "never",
            "REGISTRY": "",
            "DOMAIN": "",
            "PROBLEM": "",
            "GLASSBOX_REVISION": "0123abc",
            **variables,
        }
        command = [str(self.folder / "services" / "compose" / script)]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def write(self, name: str, image: str) -> None:
        (self.folder / name).write_text(image + "\n")

    def image(self, name: str, tag: str) -> str | None:
        path = self.folder / f"r.example_glassbox-{name}:{tag}"
        return path.read_text().strip() if path.exists() else None

    def log(self) -> list[str]:
        path = self.folder / "log"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    """An engine on which the old images run."""
    (tmp_path / "bin").mkdir()
    docker = tmp_path / "bin" / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    shutil.copytree(ROOT / "services" / "compose", tmp_path / "services" / "compose")
    roll = tmp_path / "services" / "compose" / "roll.sh"
    roll.write_text('#!/bin/sh\necho "roll $*" >> "$ENGINE/log"\n')
    for name in NAMES:
        folder = tmp_path / "services" / name
        folder.mkdir()
        shutil.copy(ROOT / "services" / name / "Dockerfile", folder)
        (tmp_path / f"running-{name}").write_text(f"old-{name}\n")
    return FakeEngine(tmp_path)


def test_an_upgrade_without_a_registry_prints_a_warning_and_builds_on_local_images(engine: FakeEngine) -> None:
    done = engine.run("upgrade.sh")

    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if "cannot be pulled; this host's copy is used" in line]
    assert len(warnings) == 6  # four services and two base images
    assert all(line.startswith("glassbox: ") and line.endswith("Error: no such host") for line in warnings)
    assert "build 0123abc" in engine.log()
    assert engine.log()[-1].startswith("roll courier classifier trainer api gateway")
    assert {name: engine.image(name, "previous") for name in NAMES} == {name: f"old-{name}" for name in NAMES}


def test_an_upgrade_pulls_the_base_images_without_a_message(engine: FakeEngine) -> None:
    done = engine.run("upgrade.sh", REGISTRY="yes")

    assert (done.returncode, done.stderr) == (0, "")
    bases = {line.split()[-1].partition(":")[0] for line in engine.log() if line.startswith("pull ")}
    assert bases == {"python", "nginx"}
    assert "compose pull --quiet redis" in engine.log()
    assert engine.log().index("compose pull --quiet redis") < engine.log().index("build 0123abc")


def test_an_upgrade_from_a_registry_builds_nothing(engine: FakeEngine) -> None:
    done = engine.run("upgrade.sh", POLICY="missing", REGISTRY="yes")

    assert done.returncode == 0, done.stderr
    assert not [line for line in engine.log() if line.startswith(("build", "pull "))]
    assert {engine.image(name, "2") for name in NAMES} == {f"new-{name}" for name in NAMES}
    assert {engine.image(name, "previous") for name in NAMES} == {f"old-{name}" for name in NAMES}


def test_certificates_service_of_a_domain_is_upgraded_last_and_rolled_back(engine: FakeEngine) -> None:
    engine.write("running-certificates", "old-certificates")

    assert engine.run("upgrade.sh", DOMAIN="example.org").returncode == 0
    assert engine.log()[-1].endswith(" certificates")
    assert engine.image("certificates", "previous") == "old-certificates"

    engine.write("running-certificates", "new-certificates")
    assert engine.run("rollback.sh", DOMAIN="example.org").returncode == 0
    assert engine.log()[-1].endswith(" certificates")
    assert engine.image("certificates", "2") == "old-certificates"


def test_an_upgrade_from_an_unreachable_registry_changes_nothing(engine: FakeEngine) -> None:
    done = engine.run("upgrade.sh", POLICY="missing")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "glassbox: r.example/glassbox-worker:2 is neither on this host nor can it be pulled; nothing was changed"
    )
    assert not [line for line in engine.log() if line.startswith(("tag", "compose up", "roll"))]


def test_an_upgrade_that_rejects_the_settings_replaces_no_container(engine: FakeEngine) -> None:
    done = engine.run("upgrade.sh", PROBLEM="GLASSBOX_LEASE_SECONDS is '0'")

    assert done.returncode == 1
    assert "glassbox: GLASSBOX_LEASE_SECONDS is '0'" in done.stderr
    assert done.stderr.splitlines()[-1].endswith("no container was replaced")
    assert not [line for line in engine.log() if line.startswith(("compose up", "roll"))]


def test_an_unchanged_image_keeps_its_previous_one(engine: FakeEngine) -> None:
    engine.write("running-api", "new-api")
    engine.write("r.example_glassbox-api:previous", "older-api")

    assert engine.run("upgrade.sh").returncode == 0

    assert engine.image("api", "previous") == "older-api"
    assert engine.image("worker", "previous") == "old-worker"


def test_a_rollback_exchanges_the_images_and_a_second_one_exchanges_them_back(engine: FakeEngine) -> None:
    for name in NAMES:
        engine.write(f"r.example_glassbox-{name}:2", f"new-{name}")
        engine.write(f"running-{name}", f"new-{name}")
        engine.write(f"r.example_glassbox-{name}:previous", f"old-{name}")

    for now, before in (("old", "new"), ("new", "old")):
        done = engine.run("rollback.sh")
        assert done.returncode == 0, done.stderr
        for name in NAMES:
            assert engine.image(name, "2") == f"{now}-{name}"
            assert engine.image(name, "previous") == f"{before}-{name}"
            engine.write(f"running-{name}", f"{now}-{name}")
    assert engine.log()[-1].startswith("roll gateway api courier classifier trainer")


def test_a_rollback_without_an_upgrade_is_refused(engine: FakeEngine) -> None:
    done = engine.run("rollback.sh")

    assert done.returncode == 1
    assert done.stderr == "glassbox: no older images to bring back: no upgrade has changed an image\n"
    assert engine.log() == []
