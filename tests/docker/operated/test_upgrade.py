"""`make upgrade` to a newer version and `make rollback`, while a client submits one job after the other: none is lost.

The newer version is this one with another number, and with an additional field in its records.
"""

from __future__ import annotations

import http.client
import json
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from tests.docker.operated.conftest import Operated, Prometheus
from tests.support.programs.processes import ROOT
from tests.support.servers.deployment import Json
from tests.support.waiting import eventually

PARTS = (
    "Makefile",
    "docker-compose.yml",
    ".dockerignore",
    ".env.example",
    "api",
    "requirements",
    "services",
    "shared",
    "ui",
    "worker",
)
NEW_GROUP = """  - name: newer
    rules:
      - { record: "glassbox:newer", expr: "vector(1)" }
"""
PAUSE_SECONDS = 1.0  # between two submissions
PATIENCE_SECONDS = 60.0
LONG_SECONDS = 300.0  # for the training that is interrupted twice, on a busy machine


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of a newer version."""
    folder = tmp_path_factory.mktemp("newer")
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, folder / part)
    for file in ("shared/runtime/version.py", "docker-compose.yml"):
        _replace(folder / file, "0.1.0", "0.2.0")
    _replace(
        folder / "shared" / "jobs" / "record.py", "    model: str\n", '    model: str\n    urgency: str = "normal"\n'
    )
    _replace(folder / "services" / "prometheus" / "rules.yml", "  - name: alerts\n", f"{NEW_GROUP}  - name: alerts\n")
    return folder


def _replace(path: Path, old: str, new: str) -> None:
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))


@dataclass
class Client:
    """Submits trainings like a careful client: each with an idempotency key, repeated if the response was lost."""

    operated: Operated
    accepted: list[Json] = field(default_factory=list)
    tries: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self._over.is_set():
            self.accepted.append(self._submit())
            self._over.wait(PAUSE_SECONDS)

    def stop(self) -> None:
        self._over.set()

    def _submit(self) -> Json:
        body = json.dumps({"model": "steady", "dataset": "digits", "epochs": 2}).encode()
        headers = {"Content_Type": "application/json", "Idempotency_Key": uuid4().hex}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            self.tries += 1
            try:
                response = self.operated.send("POST", "/v1/training-jobs", body, **headers)
            except (OSError, http.client.HTTPException):
                assert time.monotonic() < deadline, "the service does not come back"
            else:
                if response.status == 202:
                    return response.json()
                assert response.status in {409, 502, 503}, response.content  # 409: the lost request still has the key
                assert time.monotonic() < deadline, response.content
            time.sleep(0.2)


@contextmanager
def under_load(operated: Operated) -> Iterator[Client]:
    """Run a client during the block; raise its errors at the end."""
    client = Client(operated)
    with ThreadPoolExecutor(1) as pool:
        work: Future[None] = pool.submit(client.run)
        try:
            yield client
        finally:
            client.stop()
        work.result(timeout=PATIENCE_SECONDS + 10)


def version(operated: Operated) -> str:
    return str(operated.get("/openapi.json")["info"]["version"])


def replaced_by_a_deployment(operated: Operated, folder: Path = ROOT) -> set[str]:
    """Return the services that `docker compose up` would recreate after a complete upgrade or rollback."""
    listing = ("docker", "compose", "ps", "--format", "{{.Service}} {{.ID}}")
    before = operated.run(folder, *listing).stdout.splitlines()
    done = operated.run(folder, "docker", "compose", "up", "--detach", "--wait")
    assert done.returncode == 0, done.stderr
    after = operated.run(folder, *listing).stdout.splitlines()
    return {line.split()[0] for line in {*before} ^ {*after}}


def is_under_way(operated: Operated, job: Json) -> bool:
    now = operated.get(f"/v1/jobs/{job['id']}")
    return bool(now["state"] == "running" and now["progress"]["done"] >= 2)


def has_crashed(operated: Operated, job: Json) -> bool:
    """Return whether the lease of a job's attempt has expired, by the job's log."""
    after = ""
    while True:
        page = operated.get(f"/v1/jobs/{job['id']}/events?limit=500{after}")
        if any("lease" in event["data"] for event in page["items"]):
            return True
        if page["next"] is None:
            return False
        after = f"&after={page['next']}"


def check_that_nothing_is_lost(operated: Operated, client: Client, *others: Json) -> None:
    """Check that each accepted job succeeds without a crash, and that no other job exists."""
    assert len(client.accepted) > 5
    ended = [operated.outcome(job) for job in (*client.accepted, *others)]
    assert not [job["id"] for job in ended if has_crashed(operated, job)]
    numbers = sorted(job["result"]["version"] for job in ended if job["result"]["model"] == "steady")
    assert len(set(numbers)) == len(numbers) == len(client.accepted)
    versions = operated.get("/v1/models/steady/versions?limit=500")["items"]
    known = {each["job"] for each in versions}
    assert {job["id"] for job in client.accepted} <= known


def test_an_upgrade_and_a_rollback_lose_no_job_and_include_the_monitoring(
    operated: Operated, newer: Path, prometheus: Prometheus
) -> None:
    assert version(operated) == "0.1.0"
    assert "newer" not in prometheus.rule_groups()
    long = operated.submit_training(model="long", epochs=60)
    eventually(lambda: is_under_way(operated, long), within=60)

    with under_load(operated) as client:
        upgraded = operated.make("upgrade", newer)
        assert upgraded.returncode == 0, upgraded.stderr
        assert version(operated) == "0.2.0"
        assert "newer" in prometheus.rule_groups()
        of_the_newer = operated.submit_training(model="newer", epochs=2)
        urgency = operated.redis("hget", f"glassbox:job:{of_the_newer['id']}", "urgency")

        assert replaced_by_a_deployment(operated, newer) == set()

        back = operated.make("rollback")
        assert back.returncode == 0, back.stderr
        assert replaced_by_a_deployment(operated) == {"redis"}  # not rolled back; it mounts files of the other folder
        assert version(operated) == "0.1.0"
        assert "newer" not in prometheus.rule_groups()

    assert urgency == "normal"
    operated.outcome(long, within=LONG_SECONDS)
    check_that_nothing_is_lost(operated, client, long, of_the_newer)
    print(f"{len(client.accepted)} jobs accepted in {client.tries} tries")
    logged = operated.get(f"/v1/jobs/{long['id']}/events?limit=500")["items"]
    assert "resumed" in {event["type"] for event in logged}
