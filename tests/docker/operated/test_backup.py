"""`make backup` while jobs run, loss of everything, `make restore`: all is restored, and the running job resumes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docker.operated.conftest import Operated
from tests.support.servers.deployment import DATA, Json
from tests.support.waiting import eventually


@dataclass(frozen=True)
class Before:
    """The state of a deployment at the time of its backup, and the backup's file."""

    backup: Path
    training: Json
    version: Json
    events: list[Json]
    batch: Json
    rows: bytes
    interrupted: Json
    password: str


@pytest.fixture(scope="module")
def before(operated: Operated, tmp_path_factory: pytest.TempPathFactory) -> Before:
    """Save a working deployment; then remove it with all its data."""
    training = operated.train(epochs=1)
    batch = operated.classify(DATA / "mnist-test-png.zip")
    interrupted = operated.submit_training(model="interrupted", epochs=25)
    eventually(lambda: operated.get(f"/v1/jobs/{interrupted['id']}")["progress"]["done"] >= 3, within=60)
    backup = tmp_path_factory.mktemp("backup") / "glassbox.backup"

    done = operated.make("backup", TO=str(backup))

    assert done.returncode == 0, done.stderr
    before = Before(
        backup,
        operated.get(f"/v1/jobs/{training['id']}"),
        operated.get("/v1/models/digits/versions/1"),
        operated.get(f"/v1/jobs/{training['id']}/events")["items"],
        operated.get(f"/v1/jobs/{batch['id']}"),
        operated.request("GET", f"/v1/jobs/{batch['id']}/results"),
        interrupted,
        operated.python_in("trainer", "print(open('/run/glassbox/redis-password').read())"),
    )
    operated.compose("down", "--volumes", "--timeout", "5")
    return before


def test_a_backup_is_readable_only_by_its_owner_and_has_no_secret(before: Before) -> None:
    assert before.backup.stat().st_mode & 0o077 == 0
    content = before.backup.read_bytes()
    assert before.password.encode() not in content
    assert b"whsec_" not in content
    assert not before.backup.with_name("glassbox.backup.part").exists()


def test_a_backup_does_not_overwrite_another(operated: Operated, before: Before) -> None:
    done = operated.make("backup", TO=str(before.backup))

    assert done.returncode != 0
    assert "exists already" in done.stderr


def test_a_damaged_backup_is_refused(operated: Operated, before: Before) -> None:
    damaged = before.backup.with_name("damaged.backup")
    content = bytearray(before.backup.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)

    done = operated.make("restore", FROM=str(damaged))

    assert done.returncode != 0
    assert "the backup is damaged" in done.stderr


def test_everything_is_restored_and_the_interrupted_job_resumes(operated: Operated, before: Before) -> None:
    done = operated.make("restore", FROM=str(before.backup))

    assert done.returncode == 0, done.stderr
    assert "3 jobs; 1 of them resume" in done.stderr
    assert operated.get(f"/v1/jobs/{before.training['id']}") == before.training
    assert operated.get(f"/v1/jobs/{before.batch['id']}") == before.batch
    assert operated.request("GET", f"/v1/jobs/{before.batch['id']}/results") == before.rows
    assert operated.get("/v1/models/digits/versions/1") == before.version
    assert operated.get("/v1/datasets")["items"][0]["name"] == "mnist"
    assert operated.get(f"/v1/jobs/{before.training['id']}/events")["items"][: len(before.events)] == before.events

    ended = operated.outcome(before.interrupted)

    assert ended["result"]["version"] == 1
    logged = operated.get(f"/v1/jobs/{ended['id']}/events?limit=500")["items"]
    assert [event["data"]["epochs"] >= 2 for event in logged if event["type"] == "resumed"] == [True]


def test_a_deployment_that_is_not_empty_is_not_replaced_without_force(operated: Operated, before: Before) -> None:
    running = operated.containers("trainer"), operated.inspect("trainer")["State"]["StartedAt"]

    refused = operated.make("restore", FROM=str(before.backup))

    assert refused.returncode != 0
    assert "FORCE=1" in refused.stderr
    assert operated.get("/v1/models/interrupted")  # the backup does not have it, so nothing was changed
    assert (operated.containers("trainer"), operated.inspect("trainer")["State"]["StartedAt"]) == running
