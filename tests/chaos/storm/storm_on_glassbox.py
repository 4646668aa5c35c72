"""The storm on Glassbox: submits jobs over HTTP during kills, then checks the outcome of every accepted job."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import RedisError

from shared.jobs import Event, Job, Kind, State
from shared.runtime.clock import rfc3339
from tests.chaos.soundness import batch_paths, damaged, duplicate_versions, published
from tests.chaos.stack import Stack
from tests.chaos.storm.monkey import Monkey
from tests.chaos.work import SHORT, Expected, archive_of, submit, training
from tests.support.objects.jobs import training_result

WORKERS = ("training", "training-2", "inference")
TRAININGS = 0.6  # of the jobs
EPOCHS = (20, 80, 200)  # some hundred ms to some seconds
SEEDS = 5
IMAGES = (500, 2000, 8000)
LONGEST_REFUSAL = 60.0


@dataclass
class Death:
    """A process that was killed while it worked on a job."""

    job: str
    attempt: int
    at_ms: int


@dataclass
class Storm:
    """One storm: its jobs, its kills, and the observations."""

    stack: Stack
    seed: int
    jobs: int
    kills: int
    seconds: float
    accepted: list[str] = field(default_factory=list)
    trainings: dict[str, tuple[int, int]] = field(default_factory=dict)  # epochs and seed, by job
    deaths: list[Death] = field(default_factory=list)
    refused: int = 0

    def run(self, patience: float) -> dict[str, Any]:
        """Submit jobs during the kills, wait until the jobs have ended, and return the figures."""
        monkey = Monkey(self.stack, WORKERS, self.seed, self.kills, self.seconds, self.note_deaths)
        began = time.monotonic()
        with ThreadPoolExecutor(1) as submitter:
            submitted = submitter.submit(self.submit_all, began)
            monkey.run()
            submitted.result()
        calm = time.monotonic()
        self.wait(patience)
        return {
            **self.count(),
            "kills": dict(sorted(monkey.killed.items())),
            "seconds_of_kills": round(calm - began, 1),
            "seconds_until_all_were_over": round(time.monotonic() - calm, 1),
        }

    def submit_all(self, began: float) -> None:
        """Spread the submissions over the storm; repeat refused ones, which were not accepted."""
        rng = random.Random(self.seed)
        for number in range(self.jobs):
            time.sleep(max(0.0, began + number * self.seconds / self.jobs - time.monotonic()))
            if rng.random() < TRAININGS:
                epochs, seed = rng.choice(EPOCHS), rng.randrange(SEEDS)
                job_id = self.post("/v1/training-jobs", json=training(epochs, seed))
                self.trainings[job_id] = epochs, seed
            else:
                archive = archive_of(rng.choice(IMAGES))
                job_id = self.post("/v1/batch-jobs", params={"model": "base"}, content=archive)
            self.accepted.append(job_id)

    def post(self, path: str, **request: Any) -> str:
        """Submit a job until it is accepted; return its id."""
        deadline = time.monotonic() + LONGEST_REFUSAL
        while time.monotonic() < deadline:
            response = self.stack.http.post(path, **request)
            if response.status_code == 202:
                return str(response.json()["id"])
            assert response.status_code == 503, response.text
            self.refused += 1
            time.sleep(0.2)
        raise AssertionError(f"no job was accepted for {LONGEST_REFUSAL} s")

    def note_deaths(self, pids: list[int]) -> None:
        """Record the jobs of the processes that are about to be killed."""
        try:
            seconds, microseconds = self.stack.redis.time()
            for job in self.stack.jobs.newest_first(State.RUNNING):
                if job.owner is not None and int(job.owner.split(":")[1]) in pids:
                    self.deaths.append(Death(job.id, job.attempt, seconds * 1000 + microseconds // 1000))
        except RedisError:
            pass  # Redis itself was just killed

    def wait(self, patience: float) -> None:
        """Wait until every accepted job has ended, at most `patience` seconds."""
        deadline = time.monotonic() + patience
        waiting = set(self.accepted)
        while waiting and time.monotonic() < deadline:
            waiting = {job_id for job_id in waiting if not self.stack.job(job_id).state.is_terminal}
            time.sleep(0.2)

    def count(self) -> dict[str, Any]:
        """Return the figures: the jobs by outcome, and the violations."""
        all_jobs = {job.id: job for job in self.stack.jobs.newest_first()}
        found = [all_jobs[job_id] for job_id in self.accepted if job_id in all_jobs]
        over = [job for job in found if job.state.is_terminal]
        logs = {job_id: self.stack.jobs.events(job_id, limit=10_000) for job_id in all_jobs}
        back, again = self.rescues(logs)
        return {
            "accepted": len(self.accepted),
            "finished": len(over),
            "ended_as": dict(Counter(outcome(job) for job in over)),
            "lost": len(self.accepted) - len(over),
            "duplicated": len(duplicate_versions(published(self.stack))) + len(self.duplicate_rows(over)),
            "damaged": len(damaged(self.stack)),
            "other_bits_than_uninterrupted": self.other_bits(over),
            "resumed": sum(any(event.type == "resumed" for event in log) for log in logs.values()),
            "taken_up_again": sum(job.attempt > 1 for job in found),
            "refused_with_503": self.refused,
            "run_though_never_accepted": len(all_jobs.keys() - set(self.accepted)) - 1,  # except the base model's
            "killed_at_work": len(self.deaths),
            "back_in_the_queue_s": worst_and_median(back),
            "at_work_again_s": worst_and_median(again),
        }

    def rescues(self, logs: dict[str, list[Event]]) -> tuple[list[float], list[float]]:
        """Return the seconds from each kill until the job was queued again, and until it ran again."""
        back, again = [], []
        for death in self.deaths:
            later = [
                event
                for event in logs.get(death.job, ())
                if event.type == "state" and event.time >= rfc3339(death.at_ms)
            ]
            queued = [e for e in later if e.data.get("lease") == "expired" and e.data["attempt"] == death.attempt]
            running = [e for e in later if e.data["state"] == "running" and e.data["attempt"] > death.attempt]
            back += [seconds_between(death, event) for event in queued[:1]]
            again += [seconds_between(death, event) for event in running[:1]]
        return back, again

    def duplicate_rows(self, jobs: list[Job]) -> list[str]:
        """Return the batches with a duplicate or a missing row."""
        batches = [job for job in jobs if job.kind is Kind.BATCH and job.state is State.SUCCEEDED]
        return [
            job.id
            for job in batches
            if len(paths := batch_paths(self.stack, job.id)) != job.progress.total or len(set(paths)) != len(paths)
        ]

    def other_bits(self, jobs: list[Job]) -> int:
        """Return the number of trainings whose weights differ from an uninterrupted run of the same configuration."""
        expected = Expected(self.stack.volume.root)
        return sum(
            job.result is not None
            and training_result(job)["weights_sha256"] != expected.weights_sha256(*self.trainings[job.id])
            for job in jobs
            if job.kind is Kind.TRAINING
        )


def storm(seed: int, jobs: int, kills: int, seconds: float, settings: dict[str, str]) -> dict[str, Any]:
    """Run the storm on a new stack."""
    with (
        tempfile.TemporaryDirectory(prefix="glassbox-storm-") as folder,
        Stack(Path(folder), settings, WORKERS) as stack,
    ):
        stack.until_over(submit(stack.http, epochs=SHORT, model="base"))
        lease, resend = stack.settings.lease_seconds, stack.settings.resend_seconds
        return Storm(stack, seed, jobs, kills, seconds).run(patience=3 * (lease + resend) + 60)


def outcome(job: Job) -> str:
    """Return how a job ended: its state, and the error's code if it failed."""
    return f"{job.state}: {job.error['code']}" if job.error else str(job.state)


def seconds_between(death: Death, event: Event) -> float:
    return (int(event.id.split("-")[0]) - death.at_ms) / 1000


def worst_and_median(seconds: list[float]) -> dict[str, float]:
    if not seconds:
        return {}
    return {"worst": round(max(seconds), 1), "median": round(statistics.median(seconds), 1)}
