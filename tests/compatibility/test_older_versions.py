"""This version continues a deployment that an older version has written.

The deployment comes back in two ways: with its own volume and Redis, as in an upgrade, and from a backup.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from tests.compatibility import workload
from tests.compatibility.deployment import OPEN_STATES, Client, Deployment, deployment, load, read_everything, unpack
from tests.compatibility.receiver import webhook_receiver
from tests.support.programs.processes import ROOT
from tests.support.servers.receiver import Message, Receiver
from tests.support.waiting import eventually

VERSIONS = sorted(path.parent.name for path in Path(__file__).parent.glob("*/deployment.tar.xz"))
WAYS = ("upgraded in place", "restored from a backup")
ROUNDING = 1e-4  # differences in float32 between processors

SECTIONS = (
    "jobs",
    "events",
    "datasets",
    "models",
    "versions",
    "evaluations",
    "predictions",
    "aliases",
    "rows",
    "errors",
)
MOVING = {"state", "attempt", "progress", "metrics", "started_at", "finished_at"}  # fields of an unfinished job


@dataclass(frozen=True)
class Upgraded:
    """The deployment with all programs of this version running.

    `answers` has what the older version recorded; `resources` has this version's answers before its workers started.
    """

    answers: dict[str, Any]
    resources: dict[str, Any]
    client: Client
    receiver: Receiver
    webhook_secret: str

    def ended(self, name: str) -> dict[str, Any]:
        """Wait until a job with a name has ended and return it."""
        return self.client.ended(self.answers["jobs"][name])

    def events(self, job_id: str, kind: str) -> list[dict[str, Any]]:
        """Return the data of a job's events of one type."""
        return [event["data"] for event in self.client.events(job_id) if event["type"] == kind]


@pytest.fixture(scope="module", params=[(version, way) for version in VERSIONS for way in WAYS], ids=" ".join)
def upgraded(request: pytest.FixtureRequest) -> Iterator[Upgraded]:
    """Bring a recorded deployment back: first the API reads every resource, then all programs run."""
    version, way = request.param
    with (
        TemporaryDirectory(prefix="glassbox-") as name,
        TemporaryDirectory(prefix="glassbox-") as recording,
        deployment(Path(name)) as again,
    ):
        recorded = Path(recording)
        unpack(recording_of(version), recorded)
        for file in ("key", "keys"):
            (again.folder / file).write_bytes((recorded / file).read_bytes())
        secret = (recorded / "volume" / "webhook-secret").read_text().strip()
        answers = json.loads((recorded / "answers.json").read_bytes())
        if way == WAYS[0]:
            (recorded / "volume").rename(again.volume)
            with again.redis.client() as redis:
                load(redis, json.loads((recorded / "redis.json").read_bytes()))
        else:
            backup(again, recorded / "backup", "verify", "--empty")
            backup(again, recorded / "backup", "restore")
        secrets = {"GLASSBOX_WEBHOOK_SECRETS": secret} if way == WAYS[1] else {}  # no secret is in a backup
        with again.serving() as client, webhook_receiver() as receiver:
            resources = read_everything(client)
            with again.running("training", "training-2", "inference", "webhooks", **secrets):
                yield Upgraded(answers, resources, client, receiver, secret)


def recording_of(version: str) -> Path:
    return Path(__file__).parent / version / "deployment.tar.xz"


def backup(again: Deployment, file: Path, *command: str) -> None:
    with file.open("rb") as stream:
        ran = subprocess.run(
            [sys.executable, "-m", "worker.backup", *command],
            stdin=stream,
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), **again.environment},
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr


def assert_kept(was: Any, now: Any, place: str = "", rounding: float = 0.0) -> None:
    """Assert that an answer has all fields of an older one, with equal values; it may have more."""
    if isinstance(was, dict):
        assert isinstance(now, dict), place
        for name, value in was.items():
            assert name in now, f"{place}.{name} is gone"
            assert_kept(value, now[name], f"{place}.{name}", rounding)
    elif isinstance(was, list):
        assert isinstance(now, list), place
        assert len(now) == len(was), place
        for index, value in enumerate(was):
            assert_kept(value, now[index], f"{place}[{index}]", rounding)
    elif isinstance(was, float):
        assert now == pytest.approx(was, rel=0, abs=rounding), place
    else:
        assert now == was, place


@pytest.mark.parametrize("section", SECTIONS)
def test_resources_keep_every_field_of_the_older_version(upgraded: Upgraded, section: str) -> None:
    was, now = upgraded.answers["resources"][section], upgraded.resources[section]
    if section == "jobs":
        was = {
            job_id: {name: value for name, value in job.items() if job["finished_at"] or name not in MOVING}
            for job_id, job in was.items()
        }
    if section == "events":
        assert was.keys() == now.keys()
        now = {job_id: now[job_id][: len(events)] for job_id, events in was.items()}  # a restore may append events
    assert was
    assert_kept(was, now, section, ROUNDING if section == "predictions" else 0.0)


def test_unfinished_jobs_stay_unfinished(upgraded: Upgraded) -> None:
    for job_id, job in upgraded.answers["resources"]["jobs"].items():
        now = upgraded.resources["jobs"][job_id]["state"]
        assert (now in OPEN_STATES or (job["state"], now) == ("cancelling", "cancelled")) == (
            job["finished_at"] is None
        )


def test_counters_continue_from_their_values(upgraded: Upgraded) -> None:
    was = {name: count for name, count in upgraded.answers["resources"]["counts"].items() if "running" not in name}
    assert was['glassbox_jobs_total{kind="training",state="failed"}'] == 1
    for name, count in was.items():
        assert upgraded.resources["counts"][name] >= count, name


@pytest.mark.parametrize("kind", list(workload.TRAININGS))
def test_interrupted_training_ends_with_the_bits_of_an_uninterrupted_one(upgraded: Upgraded, kind: str) -> None:
    job_id = upgraded.answers["interrupted"][kind]

    ended = upgraded.client.ended(job_id)

    assert ended["state"] == "succeeded", ended
    resumed = upgraded.events(job_id, "resumed")[0]
    assert resumed["epochs"] >= upgraded.answers["resources"]["jobs"][job_id]["progress"]["done"] > 0
    assert_same_training(upgraded, kind, ended)


def assert_same_training(upgraded: Upgraded, kind: str, job: dict[str, Any]) -> None:
    """Compare a new version with the one that the older code trained: bit by bit if the environment is the same."""
    whole = upgraded.answers["whole"][kind]
    recorded, now = (upgraded.client.get(ended["links"]["version"]) for ended in (whole, job))
    old, new = weights(upgraded.client, recorded), weights(upgraded.client, now)
    assert old.keys() == new.keys()
    for name, array in old.items():
        np.testing.assert_allclose(new[name], array, rtol=0, atol=100 * ROUNDING)
    if (recorded["environment"], recorded["blas_threads"]) == (now["environment"], now["blas_threads"]):
        assert now["weights"]["sha256"] == whole["result"]["weights_sha256"]


def weights(client: Client, version: dict[str, Any]) -> dict[str, Any]:
    with np.load(io.BytesIO(client.http.get(version["links"]["weights"]).content)) as arrays:
        return dict(arrays)


def test_half_done_batches_continue_after_their_finished_shards(upgraded: Upgraded) -> None:
    whole = upgraded.answers["jobs"]["slow"]
    for job_id in upgraded.answers["half_done"]:
        assert upgraded.client.ended(job_id)["state"] == "completed_with_errors"
        finished = upgraded.answers["resources"]["jobs"][job_id]["progress"]["done"]
        reports = [report["progress"]["done"] for report in upgraded.events(job_id, "progress")]
        assert min(reports[reports.index(finished) + 1 :]) >= finished > 0
        assert_kept(upgraded.answers["resources"]["rows"][whole], rows(upgraded, job_id), rounding=ROUNDING)
        assert_kept(
            without_details(upgraded.answers["resources"]["errors"][whole]),
            upgraded.client.get(f"/v1/jobs/{job_id}/errors"),
        )


def without_details(errors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The errors of a batch without their sentences, which a version may word in another way than the one before."""
    return [{name: value for name, value in error.items() if name != "detail"} for error in errors]


def rows(upgraded: Upgraded, job_id: str) -> Any:
    return upgraded.client.get(f"/v1/jobs/{job_id}/results")


@pytest.mark.parametrize("form", ["zip", "tar", "array"])
def test_queued_batch_classifies_its_archive(upgraded: Upgraded, form: str) -> None:
    ended = upgraded.ended(f"waiting-{form}")

    expected = upgraded.answers["resources"]["rows"][upgraded.answers["jobs"]["zip"]]
    found = rows(upgraded, ended["id"])
    assert ended["state"] == ("succeeded" if form == "array" else "completed_with_errors")
    assert len(expected) == len(found) == 9
    if form != "array":
        assert_kept(expected, found, rounding=ROUNDING)


def test_queued_training_publishes_and_promotes(upgraded: Upgraded) -> None:
    ended = upgraded.ended("waiting-training")

    assert ended["state"] == "succeeded"
    assert upgraded.client.get("/v1/models/waiting/aliases/champion")["version"] == ended["result"]["version"] == 1


@pytest.mark.parametrize("name", ["reproduction", "waiting-reproduction"])
def test_reproduction_of_an_older_version_succeeds(upgraded: Upgraded, name: str) -> None:
    ended = upgraded.ended(name)

    assert ended["state"] == "succeeded"
    assert ended["result"]["reproduced"] == (not ended["result"]["environment"])


def test_requested_cancellation_is_completed(upgraded: Upgraded) -> None:
    assert upgraded.ended("endless")["state"] == "cancelled"


def test_cancelled_job_can_be_retried(upgraded: Upgraded) -> None:
    job_id = upgraded.answers["jobs"]["cancelled"]

    upgraded.client.post(f"/v1/jobs/{job_id}/retry")

    assert_same_training(upgraded, "article", upgraded.client.ended(job_id))


def test_undelivered_webhook_is_delivered_and_no_other_is_repeated(upgraded: Upgraded) -> None:
    job_id = upgraded.answers["jobs"]["undelivered"]

    def about_the_job() -> list[Message]:
        return [message for message in list(upgraded.receiver.messages) if job_id in message.body.decode()]

    (message,) = eventually(about_the_job)
    assert message.verified(upgraded.webhook_secret)["data"]["id"] == job_id
    assert upgraded.answers["delivered"] not in {message.id for message in upgraded.receiver.messages}


def test_idempotency_key_replays_the_response_of_the_older_version(upgraded: Upgraded) -> None:
    request = upgraded.answers["idempotent"]

    answer = upgraded.client.post("/v1/training-jobs", json=request["request"], key=request["key"])

    assert answer == request["answer"]


def test_alias_can_be_moved_and_used(upgraded: Upgraded) -> None:
    alias = upgraded.client.http.get("/v1/models/fast/aliases/candidate")

    moved = upgraded.client.http.put(
        "/v1/models/fast/aliases/candidate", json={"version": 1}, headers={"If-Match": alias.headers["ETag"]}
    )

    assert (alias.json()["version"], moved.json()["version"]) == (2, 1)
    question = {"instances": workload.instances()}
    by_alias, by_number = (
        upgraded.client.post(f"/v1/models/fast/versions/{reference}/predict", json=question)
        for reference in ("candidate", "1")
    )
    assert by_alias == by_number


def test_deleted_version_stays_deleted(upgraded: Upgraded) -> None:
    response = upgraded.client.http.get("/v1/models/fast/versions/3")

    assert response.json()["code"] == "version_deleted"


def test_next_version_has_the_next_number(upgraded: Upgraded) -> None:
    request = workload.training("article", "fast", upgraded.answers["dataset"], epochs=1)

    assert upgraded.client.ended(upgraded.client.train(**request))["result"]["version"] == 4


@pytest.mark.parametrize("version", VERSIONS)
def test_records_are_rebuilt_from_an_older_volume_alone(version: str) -> None:
    with TemporaryDirectory(prefix="glassbox-") as name, deployment(Path(name)) as again:
        unpack(recording_of(version), again.folder)
        recorded = json.loads((again.folder / "answers.json").read_bytes())["resources"]["jobs"]
        with again.serving() as client, again.running("inference"):
            eventually(lambda: len(client.every("/v1/jobs")) == len(recorded))
            now = {job["id"]: job for job in client.every("/v1/jobs")}
    assert_kept({job_id: job for job_id, job in recorded.items() if job["finished_at"]}, now)
    assert_kept(
        {job_id: job["request"] for job_id, job in recorded.items()}, {of: job["request"] for of, job in now.items()}
    )
