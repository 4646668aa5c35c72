"""The storm on Glassbox: submits jobs over HTTP during kills, then checks the outcome of every accepted job.

Besides the kills, processes are stopped and continued, the whole machine is suspended, and Redis is full. Each training
moves the alias `champion`, and so does a user: the version that it points to must never become an older one.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import httpx
from redis import RedisError

from shared.errors import NotFound
from shared.jobs import Event as JobEvent
from shared.jobs import Job, Kind, State
from shared.runtime.clock import rfc3339
from tests.chaos.soundness import batch_paths, damaged, duplicate_versions, published
from tests.chaos.stack import Stack
from tests.chaos.storm.monkey import Interruptions, Monkey
from tests.chaos.work import SHORT, Expected, archive_of, submit, training
from tests.support.objects.jobs import training_result

WORKERS = ("training", "training-2", "inference")
TRAININGS = 0.6  # of the jobs
EPOCHS = (20, 80, 200)  # some hundred ms to some seconds
SEEDS = 5
IMAGES = (500, 2000, 8000)
LONGEST_REFUSAL = 60.0
LONGEST_REQUEST = 300.0  # more than a suspension
MODEL, ALIAS = "digits", "champion"
USER_MOVES = 10  # submissions from one move of the alias by a user to the next


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
    interrupted: int = 0  # submissions without a response
    champions: list[int] = field(default_factory=list)  # the versions that the alias was seen to point to

    def run(self, patience: float) -> dict[str, Any]:
        """Submit jobs during the kills, wait until the jobs have ended, and return the figures."""
        interruptions = Interruptions(self.stack, self.stack.settings.lease_seconds)
        monkey = Monkey(self.stack, WORKERS, self.seed, self.kills, self.seconds, self.note_deaths, interruptions)
        began = time.monotonic()
        over = Event()
        with ThreadPoolExecutor(2) as threads:
            watched = threads.submit(self.watch_alias, over)
            submitted = threads.submit(self.submit_all, began)
            try:
                monkey.run()
                submitted.result()
                calm = time.monotonic()
                self.wait(patience)
            finally:
                over.set()
            watched.result()
        return {
            **self.count(),
            "kills": dict(sorted(monkey.killed.items())),
            "interruptions": dict(sorted(monkey.interrupted.items())),
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
                job_id = self.post("/v1/training-jobs", json=training(epochs, seed, promote=ALIAS))
                self.trainings[job_id] = epochs, seed
            else:
                archive = archive_of(rng.choice(IMAGES))
                job_id = self.post("/v1/batch-jobs", params={"model": "base"}, content=archive)
            self.accepted.append(job_id)
            if number % USER_MOVES == USER_MOVES - 1:
                self.move_alias()

    def move_alias(self) -> None:
        """Point the alias to the newest version, as a user does; the jobs that run must leave it there."""
        versions = self.stack.registry.versions(MODEL) if MODEL in self.stack.registry.models() else []
        if versions:
            newest = max(version.version for version in versions)
            with suppress(httpx.TransportError):
                self.stack.http.put(
                    f"/v1/models/{MODEL}/aliases/{ALIAS}", json={"version": newest}, timeout=LONGEST_REQUEST
                ).raise_for_status()

    def watch_alias(self, over: Event) -> None:
        """Note each version that the alias points to."""
        while not over.wait(0.02):
            version = None
            with suppress(NotFound):  # before the first version
                version = self.stack.registry.aliases(MODEL).get(ALIAS)
            if version is not None and version not in self.champions[-1:]:
                self.champions.append(version)

    def post(self, path: str, **request: Any) -> str:
        """Submit a job until it is accepted; return its id.

        A suspension may end requests in progress. The repeated request has the same Idempotency-Key, so it finds the
        job that an earlier one created.
        """
        headers = {"Idempotency-Key": uuid4().hex}
        deadline = time.monotonic() + LONGEST_REFUSAL
        while time.monotonic() < deadline:
            try:
                response = self.stack.http.post(path, headers=headers, timeout=LONGEST_REQUEST, **request)
            except httpx.TransportError:
                self.interrupted += 1
                continue
            if response.status_code == 202:
                return str(response.json()["id"])
            assert response.status_code == 503 or response.json()["code"] == "idempotency_key_in_use", response.text
            self.refused += response.status_code == 503
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
            "aliases_moved_back": sum(later < earlier for earlier, later in pairwise(self.champions)),
            "alias_moves": len(self.champions),
            "other_bits_than_uninterrupted": self.other_bits(over),
            "resumed": sum(any(event.type == "resumed" for event in log) for log in logs.values()),
            "taken_up_again": sum(job.attempt > 1 for job in found),
            "refused_with_503": self.refused,
            "submissions_without_response": self.interrupted,
            "run_though_never_accepted": len(all_jobs.keys() - set(self.accepted)) - 1,  # except the base model's
            "killed_at_work": len(self.deaths),
            "back_in_the_queue_s": worst_and_median(back),
            "at_work_again_s": worst_and_median(again),
        }

    def rescues(self, logs: dict[str, list[JobEvent]]) -> tuple[list[float], list[float]]:
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
    settings = settings | {"IDEMPOTENCY_LEASE_SECONDS": "10"}  # of requests that a suspension has ended
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


def seconds_between(death: Death, event: JobEvent) -> float:
    return (int(event.id.split("-")[0]) - death.at_ms) / 1000


def worst_and_median(seconds: list[float]) -> dict[str, float]:
    if not seconds:
        return {}
    return {"worst": round(max(seconds), 1), "median": round(statistics.median(seconds), 1)}
