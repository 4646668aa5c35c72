"""Record a deployment of this version, for later versions to read: `python -m tests.compatibility.record`.

Writes `tests/compatibility/<version>/deployment.tar.xz`: the volume, Redis, the API keys and a backup of a deployment
that has finished, interrupted and waiting jobs, and the API's answers about them. Each release is recorded once; its
recording never changes.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.compatibility import workload
from tests.compatibility.deployment import OPEN_STATES, Client, Deployment, deployment, dump, pack, read_everything
from tests.compatibility.receiver import HOOK, webhook_receiver
from tests.support.programs.processes import ROOT, Process
from tests.support.waiting import eventually

ENDLESS = {"preset": "article", "hidden": [6], "epochs": 100_000}


def main(target: Path | None = None) -> None:
    """Run the deployment and pack its files into the folder `target`, by default the version's own."""
    with TemporaryDirectory(prefix="glassbox-") as name, deployment(Path(name), lease_seconds=60) as source:
        folder = source.folder
        (folder / "key").write_text(_new_key(source))
        with source.serving() as client:
            version = client.get("/openapi.json")["info"]["version"]
            target = target or Path(__file__).parent / version
            target.mkdir(exist_ok=True)
            answers: dict[str, Any] = {"version": version, "jobs": {}}
            _finish_jobs(source, client, answers)
            _interrupt_jobs(source, client, answers)
            _queue_jobs(client, answers)
            answers["resources"] = read_everything(client)
        backup = subprocess.run(
            [sys.executable, "-m", "worker.backup", "save"],
            cwd=ROOT,
            env=_own(source),
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
        with source.redis.client() as redis:
            (folder / "redis.json").write_text(json.dumps(dump(redis), indent=1))
        (folder / "backup").write_bytes(backup)
        shutil.rmtree(source.volume / "incoming", ignore_errors=True)
        (source.volume / "reserve").unlink(missing_ok=True)  # large and empty; each API recreates it
        (folder / "answers.json").write_text(json.dumps(answers, indent=1))
        names = ("answers.json", "key", "keys", "redis.json", "volume", "backup")
        pack(folder, names, target / "deployment.tar.xz")


def _finish_jobs(source: Deployment, client: Client, answers: dict[str, Any]) -> None:
    """Run jobs to every terminal state; move aliases, delete a version, deliver one webhook and leave another due."""
    jobs = answers["jobs"]
    dataset = client.post("/v1/datasets", content=workload.dataset(), name="patterns")["id"]
    answers["dataset"] = dataset
    with source.running("training", "inference", "webhooks"), webhook_receiver() as receiver:
        whole = {kind: client.train(**workload.training(kind, kind, dataset)) for kind in workload.TRAININGS}
        answers["whole"] = {kind: client.ended(job) for kind, job in whole.items()}
        assert {job["state"] for job in answers["whole"].values()} == {"succeeded"}
        request = workload.training("fast", "fast", dataset, seed=8, promote="candidate", labels={"team": "vision"})
        answers["idempotent"] = {"key": "nightly-2026", "request": request}
        answers["idempotent"]["answer"] = client.post("/v1/training-jobs", json=request, key="nightly-2026")
        client.ended(answers["idempotent"]["answer"]["id"])
        client.ended(client.train(**workload.training("article", "fast", dataset)))
        client.http.delete("/v1/models/fast/versions/3").raise_for_status()
        client.http.put("/v1/models/fast/aliases/champion", json={"version": 1}).raise_for_status()
        jobs["failed"] = client.train(
            model="diverged", dataset=dataset, hidden=[6], epochs=20, optimizer={"name": "sgd", "learning_rate": 1e38}
        )
        jobs["reproduced"] = client.reproduce("article", 1)
        jobs["zip"] = client.classify(workload.zip_archive(), model="fast@champion", top_k=3, webhook=HOOK)
        jobs["slow"] = client.classify(workload.slow_archive(), model="fast@1", top_k=2)
        jobs["failed-batch"] = client.classify(workload.zip_archive(), model="fast@1", error_threshold=0.0)
        for job in jobs.values():
            client.ended(job)
        client.post(f"/v1/jobs/{jobs['failed-batch']}/retry")
        client.ended(jobs["failed-batch"])
        eventually(lambda: receiver.messages)
        answers["delivered"] = receiver.messages[0].id
    with source.running("training"):  # no webhook dispatcher runs
        jobs["undelivered"] = client.train(
            **workload.training("article", "undelivered", dataset, epochs=2, webhook=HOOK)
        )
        client.ended(jobs["undelivered"])
    jobs["cancelled"] = client.train(**workload.training("article", "cancelled", dataset))
    client.post(f"/v1/jobs/{jobs['cancelled']}/cancel")


def _interrupt_jobs(source: Deployment, client: Client, answers: dict[str, Any]) -> None:
    """Leave jobs half done, by killed workers and by workers that shut down gracefully."""
    dataset = answers["dataset"]
    jobs = {
        **{
            kind: partial(client.train, **workload.training(kind, f"{kind}-interrupted", dataset))
            for kind in workload.TRAININGS
        },
        "endless": partial(client.train, model="endless", dataset=dataset, **ENDLESS),
        "reproduction": partial(client.reproduce, "adamw", 1),
    }
    killed = ("accurate", "rmsprop", "adamw", "endless")
    released = [name for name in jobs if name not in killed]
    ids = _interrupt(source, client, "training", {name: jobs[name] for name in killed}, Process.kill)
    ids |= _interrupt(source, client, "training", {name: jobs[name] for name in released}, Process.terminate)
    answers["interrupted"] = {kind: ids.pop(kind) for kind in workload.TRAININGS}
    answers["jobs"] |= ids
    client.post(f"/v1/jobs/{ids['endless']}/cancel")
    batch = partial(client.classify, workload.slow_archive(), model="fast@1", top_k=2)
    batches = _interrupt(source, client, "inference", {"batch-1": batch}, Process.kill)
    batches |= _interrupt(source, client, "inference", {"batch-2": batch}, Process.terminate)
    answers["half_done"] = list(batches.values())
    for job in map(client.job, (*answers["interrupted"].values(), *ids.values(), *batches.values())):
        progress = job["progress"]
        assert job["state"] in OPEN_STATES, f"the job ended too early: {job}"
        assert progress["done"] < 0.8 * progress["total"], f"too little of the job is left: {job}"


def _interrupt(
    source: Deployment,
    client: Client,
    program: str,
    jobs: dict[str, Callable[[], str]],
    end: Callable[[Process], None],
) -> dict[str, str]:
    """Submit each job to a worker of its own, end the workers once every job is under way, and return the jobs' ids."""
    ids: dict[str, str] = {}
    with ExitStack() as exits:
        frozen: list[Process] = []
        for name, submit in jobs.items():
            (worker,) = exits.enter_context(source.running(f"{program}-{name}"))
            ids[name] = submit()
            eventually(partial(_is_under_way, client, ids[name]))
            os.killpg(worker.pid, signal.SIGSTOP)  # while the next worker starts, this job would finish
            frozen.append(worker)
        for worker in frozen:
            end(worker)
            with suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGCONT)
    return ids


def _is_under_way(client: Client, job_id: str) -> bool:
    job = client.job(job_id)
    assert job["state"] in OPEN_STATES, f"the job ended too early: {job}"
    return bool(job["progress"]["done"] >= 1)


def _queue_jobs(client: Client, answers: dict[str, Any]) -> None:
    """Submit jobs of every kind, which stay queued."""
    jobs, dataset = answers["jobs"], answers["dataset"]
    jobs["waiting-training"] = client.train(
        **workload.training("accurate", "waiting", dataset, epochs=3, promote="champion", timeout_seconds=600)
    )
    jobs["waiting-reproduction"] = client.reproduce("fast", 1)
    jobs["waiting-zip"] = client.classify(workload.zip_archive(), model="fast@champion", top_k=3)
    jobs["waiting-tar"] = client.classify(workload.tar_archive(), model="fast@champion", top_k=3, error_threshold=0.5)
    jobs["waiting-array"] = client.classify(workload.array_archive(), model="fast@champion", invert="auto")


def _new_key(source: Deployment) -> str:
    command = ["-m", "api.auth.admin", "keys", "--file", str(source.folder / "keys")]
    made = subprocess.run(
        [sys.executable, *command, "create", "operator", "--scopes", "manage"],
        cwd=ROOT,
        env=_own(source),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return made.stdout.strip()


def _own(source: Deployment) -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), **source.environment}


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
