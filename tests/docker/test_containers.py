"""The privileges and limits of each container, and the content of its image."""

from __future__ import annotations

import subprocess

import pytest

from shared.runtime.version import VERSION
from tests.support.base_images import base_image
from tests.support.servers.deployment import OURS, REVISION, SERVICES, Deployment, inspect

MB = 1_000_000
BASES = {"api": "python", "trainer": "python", "gateway": "nginx"}


@pytest.mark.parametrize("service", SERVICES)
def test_no_process_runs_as_root(deployment: Deployment, service: str) -> None:
    pids = subprocess.run(
        ["docker", "top", deployment.container(service), "-eo", "pid,uid,args"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    users = [line.split()[1] for line in pids.stdout.splitlines()[1:]]
    assert users
    assert "0" not in users, pids.stdout


@pytest.mark.parametrize("service", ["gateway", *OURS])
def test_the_images_of_glassbox_run_as_one_fixed_user(deployment: Deployment, service: str) -> None:
    assert deployment.run_in(service, "sh", "-c", "id -u; id -g").stdout.split() == ["10001", "10001"]


@pytest.mark.parametrize("service", SERVICES)
def test_the_root_is_read_only(deployment: Deployment, service: str) -> None:
    assert deployment.inspect(service)["HostConfig"]["ReadonlyRootfs"] is True
    # /opt and not /: the read-only mount must refuse the write, not the user's permissions, so root tries it
    container = deployment.container(service)
    done = subprocess.run(
        ["docker", "exec", "--user", "root", container, "touch", "/opt/probe"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Read-only file system" in done.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_containers_have_no_privilege_and_cannot_gain_any(deployment: Deployment, service: str) -> None:
    status = deployment.run_in(service, "cat", "/proc/self/status").stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert int(fields["CapBnd"], 16) == 0
    assert int(fields["NoNewPrivs"]) == 1


@pytest.mark.parametrize("service", SERVICES)
def test_memory_processes_and_logs_are_bounded(deployment: Deployment, service: str) -> None:
    host = deployment.inspect(service)["HostConfig"]
    assert host["Memory"] > 0
    assert host["PidsLimit"] > 0
    assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "5"}


@pytest.mark.parametrize("service", [*OURS, "redis"])
def test_a_container_has_time_for_a_graceful_shutdown(deployment: Deployment, service: str) -> None:
    assert deployment.inspect(service)["Config"]["StopTimeout"] == 60


@pytest.mark.parametrize("service", [*OURS, "redis"])
def test_only_the_gateway_publishes_a_port(deployment: Deployment, service: str) -> None:
    ports = deployment.inspect(service)["NetworkSettings"]["Ports"]
    assert not any(ports.values()), ports


def test_the_gateway_is_published_on_the_loopback_interface_only(deployment: Deployment) -> None:
    ports = {port: where for port, where in deployment.inspect("gateway")["NetworkSettings"]["Ports"].items() if where}
    assert ports == {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(deployment.port)}]}


@pytest.mark.parametrize(
    ("service", "absent"), [("api", ["worker"]), ("trainer", ["api", "flask"]), ("classifier", ["api", "flask"])]
)
def test_an_image_has_no_code_of_the_other(deployment: Deployment, service: str, absent: list[str]) -> None:
    find = f"from importlib.util import find_spec; print([name for name in {absent} if find_spec(name)])"
    assert deployment.python_in(service, find) == "[]"


@pytest.mark.parametrize("service", OURS)
def test_an_image_has_no_compiler(deployment: Deployment, service: str) -> None:
    find = "import shutil; print([name for name in ('cc', 'gcc', 'c++', 'g++', 'clang', 'make') if shutil.which(name)])"
    assert deployment.python_in(service, find) == "[]"


@pytest.mark.parametrize("service", OURS)
def test_every_module_of_glassbox_has_its_bytecode(deployment: Deployment, service: str) -> None:
    find = (
        "from importlib.util import cache_from_source; from pathlib import Path;"
        "print([str(path) for path in Path().rglob('*.py') if not Path(cache_from_source(path)).exists()])"
    )
    assert deployment.python_in(service, find) == "[]"


@pytest.mark.parametrize(("service", "megabytes"), [("api", 140), ("trainer", 130), ("gateway", 5)])
def test_an_image_is_small(deployment: Deployment, service: str, megabytes: int) -> None:
    image, base = inspect(deployment.inspect(service)["Image"]), inspect(base_image(BASES[service]))
    above = (image["Size"] - base["Size"]) / MB
    print(f"{service}: {above:.0f} MB above its base")
    assert 0 < above < megabytes


@pytest.mark.parametrize("service", ["gateway", *OURS])
def test_an_image_has_descriptive_labels(deployment: Deployment, service: str) -> None:
    labels = deployment.inspect(service)["Config"]["Labels"]
    for name in ("title", "description", "licenses"):
        assert labels[f"org.opencontainers.image.{name}"]
    assert labels["org.opencontainers.image.version"] == VERSION
    assert labels["org.opencontainers.image.revision"] == REVISION


def test_the_api_reports_the_version_and_the_revision_of_its_image(deployment: Deployment) -> None:
    ready = deployment.get("/readyz")
    assert (ready["version"], ready["revision"]) == (VERSION, REVISION)
