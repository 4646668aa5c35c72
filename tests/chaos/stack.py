"""A whole stack of real processes that a test can kill, freeze and restart: Redis, API, two workers."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import httpx
from redis import Redis, RedisError

from shared.jobs import Job, Kind, ShardQueue, State, keys
from shared.jobs.task_queue import QUEUES, TaskQueue, celery_app, connect
from shared.registry import Registry
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.support.network import free_port
from tests.support.programs.processes import Process
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import eventually
from worker.app import job_store

GUNICORN = ("-m", "gunicorn", "--config", "services/api/gunicorn.conf.py", "api:create_app()")
WORKERS = ("training", "inference")
START_SECONDS = 60.0

QUICK = {  # seconds instead of half a minute as in production
    "LEASE_SECONDS": "3",
    "HEARTBEAT_SECONDS": "0.5",
    "UPKEEP_SECONDS": "0.5",
    "RESEND_SECONDS": "2",
    "CHECKPOINT_PAUSE_SECONDS": "0",
    "BLAS_THREADS": "1",
    "WORKER_PROCESSES": "1",
    "API_PROCESSES": "1",
}


class Stack:
    """The processes, and access to their data. Use it in a `with` block, which ends them all."""

    def __init__(self, folder: Path, settings: Mapping[str, str], workers: tuple[str, ...] = WORKERS) -> None:
        self.folder = folder
        port = free_port()
        self.redis_folder = folder / "redis"
        self.redis_folder.mkdir()
        self.environment = {f"GLASSBOX_{name}": value for name, value in settings.items()} | {
            "GLASSBOX_VOLUME": str(folder / "volume"),
            "GLASSBOX_PORT": str(port),
            "GLASSBOX_REDIS_URL": f"unix://{self.redis_folder}/redis.sock?db=0",
        }
        options = {name.removeprefix("GLASSBOX_").lower(): value for name, value in self.environment.items()}
        self.settings = Settings.model_validate(options)
        self.volume = Volume(self.settings.volume)
        self.registry = Registry(self.volume)
        self.redis: Redis = connect(self.settings)
        self.jobs = job_store(self.settings)
        self.shard_queue = ShardQueue(self.redis, self.settings.lease_seconds)
        self.app = celery_app(self.settings)
        self.task_queue = TaskQueue(self.app, self.redis)
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30.0)
        self._workers = workers
        self.parts: dict[str, Process] = {}

    def __enter__(self) -> Self:
        try:
            for part in ("redis", "api", *self._workers):
                self.start(part)
            eventually(self._ready, within=START_SECONDS)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, part: str) -> Process:
        """Start or restart a part; a worker may have a suffix: `training-2`."""
        if part == "redis":
            self.parts[part] = RedisServer(self.redis_folder)
            return self.parts[part]
        command = GUNICORN if part == "api" else ("-m", "worker", part.split("-", maxsplit=1)[0])
        return self.run(part, *command)

    def run(self, part: str, *arguments: str) -> Process:
        """Start a Python program of the test as a part of the stack."""
        self.parts[part] = Process(part, [sys.executable, *arguments], self.folder, self.environment)
        return self.parts[part]

    def end(self, part: str) -> None:
        """End a part gracefully."""
        self.parts.pop(part).stop()

    def stop(self) -> None:
        """End every part, Redis last."""
        for part in reversed(list(self.parts)):
            self.end(part)
        self.http.close()
        self.app.close()
        self.redis.close()

    def kill(self, part: str) -> None:
        """Kill a part and its child processes, like a failure of its host."""
        self.parts[part].kill()

    def children(self, part: str) -> list[int]:
        """Return the processes of a worker's pool, without the cleanup that the worker may run."""
        pid = self.parts[part].pid
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return [child for child in children if b"worker.cleanup" not in Path(f"/proc/{child}/cmdline").read_bytes()]

    def kill_child(self, part: str) -> None:
        """Kill the only process of a worker's pool, like the kernel when memory runs out."""
        (child,) = eventually(lambda: self.children(part))
        os.kill(child, signal.SIGKILL)

    def at_work(self, job_id: str) -> int:
        """Return the pool process that works on a running job."""
        owner = self.jobs.get(job_id).owner
        assert owner is not None
        return int(owner.split(":")[1])

    def helpers(self, job_id: str) -> dict[int, int]:
        """Return the pool processes that help with a running batch, each with its shard."""
        taken = cast("list[str]", self.redis.zrange(keys.taken_shards(job_id), 0, -1))
        return {int(member.split(":")[-1]): int(member.split("@")[0]) for member in taken}

    @contextmanager
    def frozen(self, pid: int) -> Iterator[None]:
        """Stop a process by SIGSTOP, and continue it after the block."""
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Stop all processes of the stack by SIGSTOP, as if the machine were suspended, and continue them."""
        pids = [pid for part in self.parts for pid in (self.parts[part].pid, *self.children(part))]
        try:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    @contextmanager
    def full_redis(self) -> Iterator[None]:
        """Lower the maximum of Redis's memory to what it uses, and restore it."""
        before = int(self.redis.config_get("maxmemory")["maxmemory"] or 0)
        self.redis.config_set("maxmemory", int(self.redis.info("memory")["used_memory"]))
        try:
            yield
        finally:
            self.redis.config_set("maxmemory", before)

    @contextmanager
    def also(self, part: str) -> Iterator[None]:
        """Run another worker during the block."""
        self.start(part)
        try:
            yield
        finally:
            self.end(part)

    def waiting(self, kind: Kind) -> int:
        """Return the number of messages in the queue of this kind."""
        return int(self.redis.llen(self.queue(kind)))

    def queue(self, kind: Kind) -> str:
        """Return the queue's key in Redis."""
        return f"{keys.PREFIX}broker:{QUEUES[kind]}"

    def job(self, job_id: str) -> Job:
        """Return the job's record; wait while Redis is unreachable."""
        for _ in range(200):
            try:
                return self.jobs.get(job_id)
            except RedisError:
                time.sleep(0.05)
        return self.jobs.get(job_id)

    def until(self, job_id: str, *states: State, within: float = 40.0) -> Job:
        """Wait until the job is in one of the states."""
        eventually(lambda: self.job(job_id).state in states, within)
        return self.job(job_id)

    def until_over(self, job_id: str, within: float = 60.0) -> Job:
        """Wait until the job has ended."""
        return self.until(job_id, *(state for state in State if state.is_terminal), within=within)

    def until_done(self, job_id: str, epochs: int = 1, within: float = 40.0) -> Job:
        """Wait until this number of epochs of a running job is done."""
        eventually(lambda: self.job(job_id).progress.done >= epochs, within)
        job = self.job(job_id)
        assert job.state is State.RUNNING, f"the job was too quick for this test: it is {job.state}"
        return job

    def events(self, job_id: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the events in the job's log."""
        return [(event.type, event.data) for event in self.jobs.events(job_id, limit=10_000)]

    def _ready(self) -> bool:
        for part in self.parts.values():
            part.check_alive()
        try:
            response = self.http.get("/readyz").json()
        except httpx.TransportError:
            return False
        online = Counter(worker.split("-")[0] for worker in self._workers)
        return all(response["workers"][queue] >= count for queue, count in online.items())
