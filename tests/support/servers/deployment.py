"""The Compose file on a real engine, under a unique project name, removed after the test run."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import pytest

from tests.support.network import free_port
from tests.support.programs.processes import ROOT
from tests.support.waiting import eventually

DATA = Path(os.environ.get("GLASSBOX_TEST_DATA") or ROOT.parent / "shared" / "data").resolve()
WORKERS = ("trainer", "classifier", "courier")
OURS = ("api", *WORKERS)
SERVICES = ("gateway", *OURS, "redis")
REVISION = "0123abc"  # in the images that the tests build
UP_SECONDS = 120  # the time limit
JOB_SECONDS = 120

Json = dict[str, Any]


class Response:
    """An HTTP response, read to its end."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.content = response.read()

    def json(self) -> Json:
        document: Json = json.loads(self.content)
        return document


class Deployment:
    """The Compose file on free ports of the loopback interface."""

    def __init__(self, root: Path = ROOT, files: Sequence[str] = ("docker-compose.yml",)) -> None:
        """Start nothing yet; `files` in the folder `root` describe the deployment."""
        self.project = f"glassbox-test-{uuid4().hex[:8]}"
        self.port = free_port()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GLASSBOX_", "COMPOSE_"))},
            "GLASSBOX_PORT": str(self.port),
            "GLASSBOX_DATASETS": str(DATA),
            "GLASSBOX_REVISION": REVISION,
            "COMPOSE_FILE": os.pathsep.join(str(root / file) for file in files),
        }
        self.seconds_to_healthy = 0.0

    def build_and_start(self) -> None:
        """Run `docker compose build`, then `up`, and measure the time."""
        self.compose("build", "--quiet")
        started = time.monotonic()
        self.up()
        self.seconds_to_healthy = time.monotonic() - started

    def up(self, *arguments: str, **variables: str) -> None:
        """Run `docker compose up` until all services are healthy, with changed variables if given."""
        command = ["up", "--detach", "--wait", "--wait-timeout", str(UP_SECONDS), *arguments]
        self.compose(*command, check=True, **variables)

    def down(self) -> None:
        """Remove the containers, networks, volumes and the images of the project."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "20")
        remove_images(self.project)

    def compose(self, *arguments: str, check: bool = True, **variables: str) -> str:
        """Run `docker compose` on the project; return its standard output."""
        done = self._run(["docker", "compose", "--project-name", self.project, *arguments], **variables)
        if check and done.returncode != 0:
            pytest.fail(
                f"docker compose {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def run_in(self, service: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the service's container."""
        return self._run(["docker", "exec", self.container(service), *command])

    def run_new(
        self, service: str, *command: str, stdin: str = "", **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command, by default the service's, in a new container of the service; then remove the container."""
        options = [part for name, value in settings.items() for part in ("--env", f"{name}={value}")]
        compose = ["docker", "compose", "--project-name", self.project, "run", "--rm", "--no-deps", "--no-TTY"]
        return self._run([*compose, *options, service, *command], stdin=stdin)

    def python_in(self, service: str, program: str) -> str:
        """Return the output of a Python program in the service's container."""
        done = self.run_in(service, "python", "-c", program)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def redis(self, *command: str) -> str:
        """Run a command of Redis as its operator; return the response."""
        script = 'REDISCLI_AUTH=$(cat /run/glassbox/operator-password) exec redis-cli --user operator "$@"'
        done = self.run_in("redis", "sh", "-c", script, "redis-cli", *command)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def containers(self, service: str) -> list[str]:
        """Return the ids of the service's containers."""
        return self.compose("ps", "--all", "--quiet", service).split()

    def container(self, service: str) -> str:
        """Return the id of its only container."""
        [container] = self.containers(service)
        return container

    def inspect(self, service: str) -> Json:
        """Return the engine's description of the service's container."""
        return inspect(self.container(service))

    def logs(self, service: str) -> list[Json]:
        """Return the JSON lines in a service's log: those of Glassbox, and nginx's requests."""
        printed = self.compose("logs", "--no-color", "--no-log-prefix", service).splitlines()
        lines = [line.removeprefix("\x1b[2K") for line in printed]  # Compose clears the line, terminal or not
        return [json.loads(line) for line in lines if line.startswith("{") or service in OURS]

    def print_logs(self) -> None:
        """Print the logs, for the report of a failure."""
        print(self.compose("ps", "--all", check=False))
        print(self.compose("logs", "--no-color", "--timestamps", "--tail", "40", check=False))

    def send(self, method: str, path: str, body: IO[bytes] | bytes | None = None, **headers: str) -> Response:
        """Send one HTTP request to the published port; a file is streamed."""
        connection = self.connection()
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            return Response(connection.getresponse())
        finally:
            connection.close()

    def connection(self, timeout: float = 60.0) -> http.client.HTTPConnection:
        """Open a connection to the published port."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(self, method: str, path: str, body: IO[bytes] | bytes | None = None, **headers: str) -> bytes:
        """Send one HTTP request to the published port, which must succeed."""
        response = self.send(method, path, body, **headers)
        assert response.status < 300, f"{method} {path}: {response.status} {response.content.decode()}"
        return response.content

    def get(self, path: str) -> Json:
        """Read an existing resource."""
        document: Json = json.loads(self.request("GET", path))
        return document

    def submit_training(self, **wanted: Any) -> Json:
        """Submit a training on MNIST; return the accepted job."""
        body = json.dumps({"model": "digits", "dataset": "mnist", **wanted}).encode()
        job: Json = json.loads(self.request("POST", "/v1/training-jobs", body, Content_Type="application/json"))
        return job

    def train(self, **wanted: Any) -> Json:
        """Submit a training on MNIST, and wait until it is over."""
        return self.outcome(self.submit_training(**wanted))

    def classify(self, archive: Path, model: str = "digits") -> Json:
        """Submit an archive to the model's newest version, and wait until the job is over."""
        length = str(archive.stat().st_size)
        with archive.open("rb") as file:
            path = f"/v1/batch-jobs?model={model}"
            return self.outcome(json.loads(self.request("POST", path, file, Content_Length=length)))

    def outcome(self, job: Json, within: float = JOB_SECONDS) -> Json:
        """Wait until the job has succeeded, also while the API is unavailable; return the job."""

        def ended() -> Json | None:
            response = self.send("GET", f"/v1/jobs/{job['id']}")
            assert response.status == 200, response.content
            return response.json() if response.json()["state"] not in {"queued", "running"} else None

        over = eventually(ended, within, interval=0.1)
        assert over["state"] == "succeeded", over
        return over

    def events(self, job: Json, kind: str) -> list[Json]:
        """Return the job's events of one type."""
        page = self.get(f"/v1/jobs/{job['id']}/events?limit=500")
        return [event for event in page["items"] if event["type"] == kind]

    def _run(self, command: list[str], stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**self.environment, **variables}
        return subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )


def inspect(name: str) -> Json:
    """Return the engine's description of a container, a network or an image."""
    description = subprocess.run(["docker", "inspect", name], stdout=subprocess.PIPE, check=True).stdout
    first: Json = json.loads(description)[0]
    return first


def remove_images(project: str) -> None:
    """Remove the images that Compose built for a project, including an upgrade's `:previous` ones."""
    command = ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}", f"localhost/{project}/*"]
    names = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    if names:
        subprocess.run(["docker", "rmi", "--force", *names], stdout=subprocess.PIPE, check=True)


def why_no_engine() -> str | None:
    """Return the reason why nothing can be deployed here, if any."""
    if shutil.which("docker") is None:
        return "the command `docker` was not found"
    for command in (["docker", "version"], ["docker", "compose", "version"]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        except subprocess.TimeoutExpired:
            return f"{' '.join(command)} does not answer"
        if done.returncode != 0:
            return f"{' '.join(command)} fails: {done.stderr.strip()}"
    return None
