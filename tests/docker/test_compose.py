"""The deployment as an operator has it: the images built, `docker compose up`, the main job on MNIST, and down again.

Needs a Docker Engine with Compose, and the folder that GLASSBOX_TEST_DATA names, with mnist.npz and mnist-test-png.zip.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("GLASSBOX_TEST_DATA") or ROOT.parent / "shared" / "data").resolve()
OURS = ("api", "trainer", "classifier", "courier")
SERVICES = (*OURS, "redis")
UP_SECONDS = 120  # to healthy, with the images built
JOB_SECONDS = 120

Json = dict[str, Any]


class Deployment:
    """The compose file under a project name of its own, on a free port of the loopback interface."""

    def __init__(self) -> None:
        self.project = f"glassbox-test-{uuid4().hex[:8]}"
        self.port = _free_port()
        self._environment = {
            **os.environ,
            "GLASSBOX_PORT": str(self.port),
            "GLASSBOX_DATASETS": str(DATA),
            "COMPOSE_FILE": str(ROOT / "docker-compose.yml"),
            "COMPOSE_PROFILES": "",
        }

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run `docker compose` on the project; what it prints to its standard output."""
        command = ["docker", "compose", "--project-name", self.project, *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self._environment, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=False
        )
        if check and done.returncode != 0:
            pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def run_in(self, service: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the service's container."""
        return subprocess.run(
            ["docker", "exec", self.container(service), *command], capture_output=True, text=True, check=False
        )

    def run_new(self, service: str, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command, or what the service runs, in a new container of the service; it is gone afterwards."""
        settings = [part for name, value in environment.items() for part in ("--env", f"{name}={value}")]
        compose = ["docker", "compose", "--project-name", self.project, "run", "--rm", "--no-deps", "--no-TTY"]
        return subprocess.run(
            [*compose, *settings, service, *command],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=UP_SECONDS,
            check=False,
        )

    def python_in(self, service: str, program: str) -> str:
        """What a Python program prints in the service's container."""
        done = self.run_in(service, "python", "-c", program)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def container(self, service: str) -> str:
        return self.compose("ps", "--all", "--quiet", service).strip()

    def inspect(self, service: str) -> Json:
        """What the engine says of the service's container."""
        return _inspect(self.container(service))

    def print_logs(self) -> None:
        """Show what happened, for the report of a failure."""
        print(self.compose("ps", "--all", check=False))
        print(self.compose("logs", "--no-color", "--timestamps", check=False))

    def request(self, method: str, path: str, body: IO[bytes] | bytes | None = None, **headers: str) -> bytes:
        """One HTTP request to the published port, which must succeed; a file is streamed."""
        api = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            api.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = api.getresponse()
            content = answer.read()
        finally:
            api.close()
        assert answer.status < 300, f"{method} {path}: {answer.status} {content.decode()}"
        return content

    def train(self, **wanted: Any) -> Json:
        """Submit a training on MNIST, and wait until it is over."""
        body = json.dumps({"model": "digits", "dataset": "mnist", **wanted}).encode()
        return self.outcome(self.request("POST", "/v1/training-jobs", body, Content_Type="application/json"))

    def classify(self, archive: Path) -> Json:
        """Submit an archive to the newest version, and wait until the job is over."""
        length = str(archive.stat().st_size)
        with archive.open("rb") as file:
            return self.outcome(self.request("POST", "/v1/batch-jobs?model=digits", file, Content_Length=length))

    def outcome(self, accepted: bytes) -> Json:
        """The accepted job when it has succeeded."""
        job: Json = json.loads(accepted)
        deadline = time.monotonic() + JOB_SECONDS
        while job["state"] in {"queued", "running"}:
            assert time.monotonic() < deadline, f"the job is not over after {JOB_SECONDS} s: {job}"
            time.sleep(0.2)
            job = json.loads(self.request("GET", f"/v1/jobs/{job['id']}"))
        assert job["state"] == "succeeded", job
        return job


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _inspect(name: str) -> Json:
    description = subprocess.run(["docker", "inspect", name], stdout=subprocess.PIPE, check=True).stdout
    first: Json = json.loads(description)[0]
    return first


def _why_no_engine() -> str | None:
    """The reason why nothing can be deployed here, if there is one."""
    if shutil.which("docker") is None:
        return "there is no docker command"
    for command in (["docker", "version"], ["docker", "compose", "version"]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        except subprocess.TimeoutExpired:
            return f"{' '.join(command)} does not answer"
        if done.returncode != 0:
            return f"{' '.join(command)} fails: {done.stderr.strip()}"
    return None


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    reason = _why_no_engine()
    if reason:
        pytest.skip(f"no Docker Engine answers: {reason}")
    for name in ("mnist.npz", "mnist-test-png.zip"):
        assert (DATA / name).is_file(), f"{DATA / name} is missing: let GLASSBOX_TEST_DATA name a folder that has it"
    deployment = Deployment()
    try:
        try:
            deployment.compose("build")
            started = time.monotonic()
            deployment.compose("up", "--detach", "--wait", "--wait-timeout", str(UP_SECONDS))
            print(f"healthy after {time.monotonic() - started:.1f} s")
        except BaseException:
            deployment.print_logs()
            raise
        yield deployment
    finally:
        deployment.compose("down", "--volumes", "--remove-orphans", "--rmi", "local")


@pytest.fixture(autouse=True)
def logs_of_a_failure(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test that failed, print the containers' logs into its report."""
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed and "deployment" in request.fixturenames:
        request.getfixturevalue("deployment").print_logs()


@pytest.fixture(scope="module")
def training(deployment: Deployment) -> Json:
    return deployment.train(epochs=2)


@pytest.fixture(scope="module")
def rows(deployment: Deployment, training: Json) -> list[Json]:
    batch = deployment.classify(DATA / "mnist-test-png.zip")
    return [json.loads(line) for line in deployment.request("GET", f"/v1/jobs/{batch['id']}/results").splitlines()]


@pytest.mark.parametrize("service", SERVICES)
def test_up_waits_until_each_service_is_healthy(deployment: Deployment, service: str) -> None:
    assert deployment.inspect(service)["State"]["Health"]["Status"] == "healthy"


def test_the_api_is_ready_and_sees_a_worker_on_each_queue(deployment: Deployment) -> None:
    ready = json.loads(deployment.request("GET", "/readyz"))
    assert ready["status"] == "ready"
    assert ready["workers"] == {"training": 1, "inference": 1}


def test_a_training_publishes_the_first_version_of_its_model(training: Json) -> None:
    assert training["result"]["model"] == "digits"
    assert training["result"]["version"] == 1


def test_every_image_of_the_archive_gets_a_row_in_the_archives_order(rows: list[Json]) -> None:
    assert [row["path"] for row in rows] == [f"mnist-test/{index:05d}.png" for index in range(10_000)]


def test_the_labels_agree_with_the_truth(rows: list[Json]) -> None:
    with np.load(DATA / "mnist.npz") as mnist:
        truth = mnist["y_test"]
    labels = np.array([int(row["label"]) for row in rows])
    assert np.mean(labels == truth) > 0.93


def test_a_restarted_trainer_stops_cleanly_and_trains_again(deployment: Deployment, training: Json) -> None:
    deployment.compose("stop", "trainer")
    assert deployment.inspect("trainer")["State"]["ExitCode"] == 0
    deployment.compose("up", "--detach", "--wait", "--wait-timeout", str(UP_SECONDS), "trainer")
    again = deployment.train(epochs=1)
    assert again["result"]["version"] == training["result"]["version"] + 1


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


@pytest.mark.parametrize("service", OURS)
def test_our_own_images_run_as_one_fixed_user(deployment: Deployment, service: str) -> None:
    assert deployment.python_in(service, "import os; print(os.getuid(), os.getgid())") == "10001 10001"


@pytest.mark.parametrize("service", SERVICES)
def test_the_root_is_read_only(deployment: Deployment, service: str) -> None:
    assert deployment.inspect(service)["HostConfig"]["ReadonlyRootfs"] is True
    # /run and not /: no right of a user but the read-only mount must be what refuses, and root could write there
    container = deployment.container(service)
    done = subprocess.run(
        ["docker", "exec", "--user", "root", container, "touch", "/run/probe"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Read-only file system" in done.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_no_privilege_is_held_or_to_be_had(deployment: Deployment, service: str) -> None:
    status = deployment.run_in(service, "cat", "/proc/self/status").stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert int(fields["CapBnd"], 16) == 0
    assert int(fields["NoNewPrivs"]) == 1


@pytest.mark.parametrize("service", ["trainer", "classifier", "courier", "redis"])
def test_only_the_api_publishes_a_port(deployment: Deployment, service: str) -> None:
    ports = deployment.inspect(service)["NetworkSettings"]["Ports"]
    assert not any(ports.values()), ports


def test_the_api_is_published_on_the_loopback_interface_only(deployment: Deployment) -> None:
    ports = deployment.inspect("api")["NetworkSettings"]["Ports"]
    assert ports == {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(deployment.port)}]}


def test_redis_is_on_an_internal_network_alone(deployment: Deployment) -> None:
    networks = deployment.inspect("redis")["NetworkSettings"]["Networks"]
    assert list(networks) == [f"{deployment.project}_backend"]
    assert _inspect(f"{deployment.project}_backend")["Internal"] is True


def test_redis_keeps_what_it_acknowledged(deployment: Deployment) -> None:
    wanted = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
    for setting, value in wanted.items():
        answer = deployment.run_in("redis", "redis-cli", "config", "get", setting)
        assert answer.stdout.split() == [setting, value]


@pytest.mark.parametrize(
    ("service", "absent"), [("api", ["worker"]), ("trainer", ["api", "flask"]), ("classifier", ["api", "flask"])]
)
def test_an_image_holds_no_code_of_the_other(deployment: Deployment, service: str, absent: list[str]) -> None:
    find = f"from importlib.util import find_spec; print([name for name in {absent} if find_spec(name)])"
    assert deployment.python_in(service, find) == "[]"


@pytest.mark.parametrize("service", OURS)
def test_an_image_holds_no_compiler(deployment: Deployment, service: str) -> None:
    find = "import shutil; print([name for name in ('cc', 'gcc', 'c++', 'g++', 'clang', 'make') if shutil.which(name)])"
    assert deployment.python_in(service, find) == "[]"


@pytest.mark.parametrize("service", OURS)
def test_every_module_of_ours_comes_with_its_bytecode(deployment: Deployment, service: str) -> None:
    find = (
        "from importlib.util import cache_from_source; from pathlib import Path;"
        "print([str(path) for path in Path().rglob('*.py') if not Path(cache_from_source(path)).exists()])"
    )
    assert deployment.python_in(service, find) == "[]"


@pytest.mark.parametrize("service", OURS)
def test_an_operator_finds_neither_errors_nor_warnings_in_the_log(
    deployment: Deployment, rows: list[Json], service: str
) -> None:
    printed = deployment.compose("logs", "--no-color", "--no-log-prefix", service).splitlines()
    lines = [line.removeprefix("\x1b[2K") for line in printed]  # Compose clears the line, terminal or not
    assert lines
    assert [line for line in lines if json.loads(line)["level"] not in {"debug", "info"}] == []


def test_the_api_does_not_start_where_others_could_reach_it_without_a_key(deployment: Deployment) -> None:
    done = deployment.run_new("api", GLASSBOX_PUBLISHED_ON="0.0.0.0")  # noqa: S104

    assert done.returncode != 0
    assert "GLASSBOX_API_KEYS_FILE" in done.stderr


def test_a_key_that_is_made_in_a_container_is_asked_for_in_the_next(deployment: Deployment) -> None:
    keys = {"GLASSBOX_API_KEYS_FILE": "/etc/glassbox/keys"}

    made = deployment.run_new("api", "python", "-m", "api.admin", "keys", "create", "me", **keys)
    listed = deployment.run_new("api", "python", "-m", "api.admin", "keys", "list", **keys)

    assert made.stdout.startswith("glassbox_"), made.stderr
    assert listed.stdout == "me\tsubmit\n"
