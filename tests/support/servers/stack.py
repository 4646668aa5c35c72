"""The whole service: gunicorn and both workers, on a Redis and a volume."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from shared.jobs import State
from shared.storage.volume import Volume
from tests.support.network import free_port
from tests.support.programs.processes import Process
from tests.support.waiting import eventually

START_SECONDS = 60.0
JOB_SECONDS = 60.0


@dataclass(frozen=True)
class Stack:
    """A running service."""

    port: int
    volume: Volume
    http: httpx.Client

    def upload(self, content: bytes, name: str = "easy") -> dict[str, Any]:
        """Upload a data set."""
        return self._created(self.http.post("/v1/datasets", params={"name": name}, content=content))

    def train(self, **request: Any) -> dict[str, Any]:
        """Submit a training."""
        return self._created(self.http.post("/v1/training-jobs", json=request))

    def classify(self, archive: bytes, model: str, **options: Any) -> dict[str, Any]:
        """Submit a batch."""
        return self._created(self.http.post("/v1/batch-jobs", params={"model": model, **options}, content=archive))

    def job(self, job_id: str) -> dict[str, Any]:
        """Return a job's present record."""
        return self.get(f"/v1/jobs/{job_id}")

    def get(self, path: str) -> dict[str, Any]:
        """Read an existing resource."""
        response = self.http.get(path)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    def finished(self, job_id: str) -> dict[str, Any]:
        """Wait until a job has ended; return its record."""
        eventually(lambda: State(self.job(job_id)["state"]).is_terminal, within=JOB_SECONDS)
        return self.job(job_id)

    @staticmethod
    def _created(response: httpx.Response) -> dict[str, Any]:
        assert response.status_code in {200, 201, 202}, response.text
        body: dict[str, Any] = response.json()
        return body


@contextmanager
def running_stack(folder: Path, redis_url: str, **settings: str) -> Iterator[Stack]:
    """Run a service with additional `settings` (`GLASSBOX_…`) until the block ends; its logs are in the folder."""
    volume = Volume(folder / "volume")
    port = free_port()
    environment = {
        "GLASSBOX_REDIS_URL": redis_url,
        "GLASSBOX_VOLUME": str(volume.root),
        "GLASSBOX_PORT": str(port),
        "GLASSBOX_API_PROCESSES": "1",
        "GLASSBOX_WORKER_PROCESSES": "1",
        "GLASSBOX_SHARD_IMAGES": "8",
        "GLASSBOX_WEBHOOK_ALLOW_PRIVATE": "true",
        **settings,
    }
    gunicorn = ["-m", "gunicorn", "--config", "services/api/gunicorn.conf.py", "api:create_app()"]
    commands = {"api": gunicorn, "training": ["-m", "worker", "training"], "inference": ["-m", "worker", "inference"]}
    with ExitStack() as exits:
        processes = [
            exits.enter_context(Process(name, [sys.executable, *command], folder, environment))
            for name, command in commands.items()
        ]
        http = exits.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30.0, trust_env=False))
        stack = Stack(port, volume, http)
        eventually(lambda: _is_ready(stack, processes), within=START_SECONDS)
        yield stack
        for process in processes:  # all at once: a graceful shutdown takes a moment
            process.terminate()


def _is_ready(stack: Stack, processes: list[Process]) -> bool:
    for process in processes:
        process.check_alive()
    try:
        return all(stack.get("/readyz")["workers"].values())
    except httpx.TransportError:
        return False
