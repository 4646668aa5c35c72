"""The same storm on plain Celery, to measure its own guarantees, with `acks_late` and otherwise its defaults."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis, RedisError

from shared.datasets import DatasetStore
from shared.datasets.builtin.built_in import BuiltIn
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.chaos.storm.monkey import Monkey
from tests.chaos.storm.storm_on_glassbox import EPOCHS, IMAGES, LONGEST_REFUSAL, SEEDS, TRAININGS
from tests.chaos.work import archive_of
from tests.support.programs.processes import Process
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import eventually

WORKER = "worker"
PROCESSES = 3  # as many as Glassbox's workers have in all
CALM_SECONDS = 45.0  # if no task starts or ends for this time, the remaining ones will not end


class PlainStack:
    """Redis and one Celery worker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.redis_folder = folder / "redis"
        self.redis_folder.mkdir()
        self.notes = folder / "notes"
        self.notes.touch()
        socket = self.redis_folder / "redis.sock"
        self.broker = f"redis+socket://{socket}"
        self.redis: Redis = Redis(unix_socket_path=str(socket), decode_responses=True)
        self.parts: dict[str, Process] = {}

    def start(self, part: str) -> Process:
        if part == "redis":
            self.parts[part] = RedisServer(self.redis_folder)
            return self.parts[part]
        celery = ("-m", "celery", "-A", "tests.chaos.storm.plain_celery", "worker", f"--concurrency={PROCESSES}")
        environment = {"PLAIN_BROKER": self.broker, "PLAIN_NOTES": str(self.notes), "OPENBLAS_NUM_THREADS": "1"}
        self.parts[part] = Process(part, [sys.executable, *celery], self.folder, environment)
        return self.parts[part]

    def kill(self, part: str) -> None:
        self.parts[part].kill()

    def children(self, part: str) -> list[int]:
        pid = self.parts[part].pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def noted(self, what: str) -> Counter[str]:
        """Return how often each task has started, or ended."""
        lines = [line.split() for line in self.notes.read_text().splitlines()]
        return Counter(task_id for task_id, noted in lines if noted == what)


def storm(seed: int, jobs: int, kills: int, seconds: float) -> dict[str, Any]:
    """Run the storm with the same jobs and moments of kills; if a worker has no pool process, kill the worker."""
    with tempfile.TemporaryDirectory(prefix="plain-storm-") as folder:
        stack = PlainStack(Path(folder))
        volume = Volume(Path(folder) / "volume")
        BuiltIn(DatasetStore(volume), volume, Settings()).get("digits")
        for images in IMAGES:
            (Path(folder) / f"{images}.zip").write_bytes(archive_of(images))
        try:
            stack.start("redis")
            stack.start(WORKER)
            eventually(lambda: stack.children(WORKER), within=60.0)
            return run(stack, volume, seed, jobs, kills, seconds)
        finally:
            for part in reversed(list(stack.parts)):
                stack.parts[part].stop()
            stack.redis.close()


def run(stack: PlainStack, volume: Volume, seed: int, jobs: int, kills: int, seconds: float) -> dict[str, Any]:
    """Submit tasks during the kills, wait until nothing happens, and return the figures."""
    monkey = Monkey(stack, [WORKER], seed, kills, seconds)
    began = time.monotonic()
    with ThreadPoolExecutor(1) as submitter:
        submitted = submitter.submit(submit_all, stack, volume, seed, jobs, seconds, began)
        monkey.run()
        accepted = submitted.result()
    wait_until_calm(stack, accepted)
    started, ended = stack.noted("start"), stack.noted("end")
    return {
        "accepted": len(accepted),
        "finished": sum(task_id in ended for task_id in accepted),
        "not_finished": sum(task_id not in ended for task_id in accepted),
        "never_started": sum(task_id not in started for task_id in accepted),
        "held_until_the_visibility_timeout_of_an_hour": unacknowledged(stack),
        "started_more_than_once": sum(count > 1 for count in started.values()),
        "finished_more_than_once": sum(count > 1 for count in ended.values()),
        "kills": dict(sorted(monkey.killed.items())),
    }


def submit_all(stack: PlainStack, volume: Volume, seed: int, jobs: int, seconds: float, began: float) -> list[str]:
    """Submit the same random jobs as the storm on Glassbox; return their ids."""
    rng = random.Random(seed)
    accepted = []
    with Celery("plain", broker=stack.broker) as app:
        for number in range(jobs):
            time.sleep(max(0.0, began + number * seconds / jobs - time.monotonic()))
            task_id = f"task-{number}"
            arguments: list[Any]
            if rng.random() < TRAININGS:
                name, arguments = "plain.train", [rng.choice(EPOCHS), rng.randrange(SEEDS)]
            else:
                name, arguments = "plain.classify", [str(stack.folder / f"{rng.choice(IMAGES)}.zip")]
            send(app, name, [task_id, str(volume.root), *arguments])
            accepted.append(task_id)
    return accepted


def send(app: Celery, name: str, arguments: list[Any]) -> None:
    """Send until the broker has accepted the message."""
    deadline = time.monotonic() + LONGEST_REFUSAL
    while True:
        try:
            app.send_task(name, args=arguments)
        except (OperationalError, RedisError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def wait_until_calm(stack: PlainStack, accepted: list[str]) -> None:
    """Wait until every task has ended, or nothing has happened for a while."""
    changed, size = time.monotonic(), 0
    while time.monotonic() - changed < CALM_SECONDS and stack.noted("end").keys() < set(accepted):
        if (now := stack.notes.stat().st_size) != size:
            changed, size = time.monotonic(), now
        time.sleep(0.2)


def unacknowledged(stack: PlainStack) -> int:
    """Return the number of messages that Redis holds for dead workers; it redelivers them after an hour."""
    return int(stack.redis.hlen("unacked"))
