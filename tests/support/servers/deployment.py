"""The compose file as an operator runs it: on a real engine, under a name of its own, gone with the test run."""

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
REVISION = "0123abc"  # of the images that the tests build
UP_SECONDS = 120  # after which it is given up
JOB_SECONDS = 120

Json = dict[str, Any]


class Answer:
    """An HTTP answer, read to its end."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.content = response.read()

    def json(self) -> Json:
        document: Json = json.loads(self.content)
        return document


class Deployment:
    """The compose file on free ports of the loopback interface."""

    def __init__(self, root: Path = ROOT, files: Sequence[str] = ("docker-compose.yml",)) -> None:
        """Nothing yet; `files` in the folder `root` describe it."""
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
        """`docker compose build`, then `up`, on a clock."""
        self.compose("build", "--quiet")
        started = time.monotonic()
        self.up()
        self.seconds_to_healthy = time.monotonic() - started

    def up(self, *arguments: str, **variables: str) -> None:
        """`docker compose up` until all is healthy, perhaps with other variables."""
        command = ["up", "--detach", "--wait", "--wait-timeout", str(UP_SECONDS), *arguments]
        self.compose(*command, check=True, **variables)

    def down(self) -> None:
        """Remove everything: containers, networks, volumes and the images that were built under the project's name."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "20")
        remove_images(self.project)

    def compose(self, *arguments: str, check: bool = True, **variables: str) -> str:
        """Run `docker compose` on the project; what it prints to its standard output."""
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
        """Run a command, or what the service runs, in a new container of the service; it is gone afterwards."""
        options = [part for name, value in settings.items() for part in ("--env", f"{name}={value}")]
        compose = ["docker", "compose", "--project-name", self.project, "run", "--rm", "--no-deps", "--no-TTY"]
        return self._run([*compose, *options, service, *command], stdin=stdin)

    def python_in(self, service: str, program: str) -> str:
        """What a Python program prints in the service's container."""
        done = self.run_in(service, "python", "-c", program)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def redis(self, *command: str) -> str:
        """What Redis answers its operator."""
        script = 'REDISCLI_AUTH=$(cat /run/glassbox/operator-password) exec redis-cli --user operator "$@"'
        done = self.run_in("redis", "sh", "-c", script, "redis-cli", *command)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def containers(self, service: str) -> list[str]:
        """The ids of the service's containers."""
        return self.compose("ps", "--all", "--quiet", service).split()

    def container(self, service: str) -> str:
        """The id of its only container."""
        [container] = self.containers(service)
        return container

    def inspect(self, service: str) -> Json:
        """What the engine says of the service's container."""
        return inspect(self.container(service))

    def logs(self, service: str) -> list[Json]:
        """What a service logs as JSON: all that is ours, and nginx's requests."""
        printed = self.compose("logs", "--no-color", "--no-log-prefix", service).splitlines()
        lines = [line.removeprefix("\x1b[2K") for line in printed]  # Compose clears the line, terminal or not
        return [json.loads(line) for line in lines if line.startswith("{") or service in OURS]

    def print_logs(self) -> None:
        """Show what happened, for the report of a failure."""
        print(self.compose("ps", "--all", check=False))
        print(self.compose("logs", "--no-color", "--timestamps", "--tail", "40", check=False))

    def ask(self, method: str, path: str, body: IO[bytes] | bytes | None = None, **headers: str) -> Answer:
        """One HTTP request to the published port; a file is streamed."""
        connection = self.connection()
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def connection(self, timeout: float = 60.0) -> http.client.HTTPConnection:
        """A connection to the published port."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(self, method: str, path: str, body: IO[bytes] | bytes | None = None, **headers: str) -> bytes:
        """One HTTP request to the published port, which must succeed."""
        answer = self.ask(method, path, body, **headers)
        assert answer.status < 300, f"{method} {path}: {answer.status} {answer.content.decode()}"
        return answer.content

    def get(self, path: str) -> Json:
        """Read what must be there."""
        document: Json = json.loads(self.request("GET", path))
        return document

    def submit_training(self, **wanted: Any) -> Json:
        """Submit a training on MNIST; the job as it was accepted."""
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
        """The job when it has succeeded; while the API is away, that is waited for as well."""

        def ended() -> Json | None:
            answer = self.ask("GET", f"/v1/jobs/{job['id']}")
            assert answer.status == 200, answer.content
            return answer.json() if answer.json()["state"] not in {"queued", "running"} else None

        over = eventually(ended, within, interval=0.1)
        assert over["state"] == "succeeded", over
        return over

    def events(self, job: Json, kind: str) -> list[Json]:
        """Those of the job's events that are of one type."""
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
    """What the engine says of a container, a network or an image."""
    description = subprocess.run(["docker", "inspect", name], stdout=subprocess.PIPE, check=True).stdout
    first: Json = json.loads(description)[0]
    return first


def remove_images(project: str) -> None:
    """Remove the images that Compose built for a project, the `:previous` ones of an upgrade included."""
    command = ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}", f"localhost/{project}/*"]
    names = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    if names:
        subprocess.run(["docker", "rmi", "--force", *names], stdout=subprocess.PIPE, check=True)


def why_no_engine() -> str | None:
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
