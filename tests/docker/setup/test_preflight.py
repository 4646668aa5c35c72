"""If the host or `.env` has a problem, the deployment prints a message and starts nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.support.network import free_port
from tests.support.programs.processes import ROOT
from tests.support.servers.deployment import Deployment

COPIED = (
    *("docker-compose.yml", ".env.example", ".dockerignore", "services", "requirements"),
    *("api", "shared", "ui", "worker"),
)


class Host:
    """A separate checkout, whose `.env` a test writes, with the images of the deployment."""

    def __init__(self, folder: Path, deployment: Deployment) -> None:
        self.folder = folder
        self.environment = {
            **deployment.environment,
            "COMPOSE_PROJECT_NAME": f"{deployment.project}-bare",
            "GLASSBOX_PORT": str(free_port()),
        }
        del self.environment["COMPOSE_FILE"]
        del self.environment["GLASSBOX_DATASETS"]

    def write_env(self, *lines: str) -> None:
        (self.folder / ".env").write_text("".join(f"{line}\n" for line in lines))

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**self.environment, **variables}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def deploy(self, **variables: str) -> list[str]:
        """Run `make deploy`, which must refuse to start; return the lines that it prints itself."""
        done = self.run("services/compose/up.sh", **variables)
        assert done.returncode == 1, done.stderr
        printed = [line for line in done.stderr.splitlines() if line.startswith("glassbox: ")]
        printed = [line for line in printed if "warning: Docker Engine" not in line]
        assert printed.pop() == "glassbox: nothing was started or changed"
        assert self.running() == []
        return printed

    def running(self) -> list[str]:
        return self.run("docker", "compose", "ps", "--services").stdout.split()


@pytest.fixture(scope="module")
def built(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("host") / "glassbox"
    folder.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    for path in (folder.parent.parent, folder.parent, folder):
        path.chmod(0o755)  # the containers' user reads .env
    host = Host(folder, deployment)
    yield host
    (folder / ".env").unlink(missing_ok=True)
    host.run("docker", "compose", "down", "--volumes", "--rmi", "local", "--timeout", "5")


@pytest.fixture
def host(built: Host) -> Iterator[Host]:
    yield built
    (built.folder / ".env").unlink(missing_ok=True)
    built.run("docker", "compose", "down", "--timeout", "5")


def test_docker_compose_up_with_a_wrong_line_in_env_starts_nothing(host: Host) -> None:
    host.write_env("# ours", "GLASSBOX_WEBHOOK_TRYS=3")

    done = host.run("docker", "compose", "up", "--wait")

    assert done.returncode == 1
    assert 'service "preflight" didn\'t complete successfully' in done.stderr
    assert host.running() == []
    log = host.run("docker", "compose", "logs", "--no-log-prefix", "preflight").stdout
    assert ".env, line 2: there is no variable GLASSBOX_WEBHOOK_TRYS. Did you mean GLASSBOX_WEBHOOK_TRIES?" in log


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("GLASSBOX_WEBHOOK_TRYS=3", ".env, line 1: there is no variable GLASSBOX_WEBHOOK_TRYS. Did you mean"),
        ("GLASSBOX_LEASE_SECONDS=0", ".env, line 1: GLASSBOX_LEASE_SECONDS is '0'; it must be greater than 0"),
        ("GLASSBOX_TRAINER_MEMORY=lots", ".env, line 1 (GLASSBOX_TRAINER_MEMORY=lots): "),
        ("a remark", "line 1: key cannot contain a space"),
        ("GLASSBOX_TLS=/nowhere/tls", "GLASSBOX_TLS: /nowhere/tls is not a folder of this host"),
        ("GLASSBOX_DATA=/nowhere/data", "sudo install -d -o 10001 -g 10001 -m 770 /nowhere/data/volume"),
        (
            "GLASSBOX_PUBLISHED_ON=0.0.0.0",
            "docker compose run --rm --no-deps --no-TTY api python -m api.auth.admin keys",
        ),
    ],
)
def test_a_wrong_line_is_reported_before_anything_starts(host: Host, line: str, message: str) -> None:
    host.write_env(line)

    [printed] = host.deploy()

    assert message in printed


def test_an_exported_variable_is_checked_like_a_line(host: Host) -> None:
    [printed] = host.deploy(GLASSBOX_LEASE_SECONDS="0")

    assert "GLASSBOX_LEASE_SECONDS is '0'; it must be greater than 0" in printed


def test_a_port_in_use_is_reported_with_a_free_one(host: Host) -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        port = other.server_port
        [printed] = host.deploy(GLASSBOX_PORT=str(port))

    assert f"port {port} of 127.0.0.1 is taken by" in printed
    assert f"echo GLASSBOX_PORT={port + 1} >> .env" in printed


def test_a_certificate_that_the_gateway_cannot_read_is_named(host: Host, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    tmp_path.parent.chmod(0o755)
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o600)
    host.write_env(f"GLASSBOX_TLS={tmp_path}")

    [printed] = host.deploy()

    assert f"uid 10001, as which the gateway runs, cannot read {tmp_path}/tls.crt" in printed
    assert f"sudo install -o 10001 -m 400 FILE {tmp_path}/tls.crt" in printed


def test_the_data_can_be_in_a_folder_of_the_host(host: Host, tmp_path: Path) -> None:
    for name in ("volume", "redis"):
        (tmp_path / name).mkdir()
        os.chown(tmp_path / name, 10001, 10001)
        (tmp_path / name).chmod(0o770)
    host.write_env(f"GLASSBOX_DATA={tmp_path}")

    done = host.run("services/compose/up.sh")

    assert done.returncode == 0, done.stderr
    assert host.run("docker", "compose", "exec", "trainer", "touch", "/var/lib/glassbox/probe").returncode == 0
    assert (tmp_path / "volume" / "probe").exists()
    assert list((tmp_path / "redis").rglob("*.aof"))


def test_deploying_a_running_deployment_again_changes_nothing(host: Host) -> None:
    assert host.run("services/compose/up.sh").returncode == 0
    before = host.run("docker", "compose", "ps", "--quiet").stdout

    done = host.run("services/compose/up.sh")

    assert done.returncode == 0, done.stderr
    assert host.run("docker", "compose", "ps", "--quiet").stdout == before
