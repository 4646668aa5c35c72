"""The API alone: gunicorn as deployed, without workers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.network import free_port
from tests.support.programs.processes import Process
from tests.support.waiting import eventually


@dataclass(frozen=True)
class ApiServer:
    """A running API."""

    port: int
    process: Process
    http: httpx.Client

    def process_ids(self) -> list[int]:
        """Return the ids of the processes that handle requests."""
        return [pid for pid in _descendants(self.process.pid) if not _children(pid)]


@contextmanager
def running_api(folder: Path, redis_url: str, **settings: object) -> Iterator[ApiServer]:
    """Run an API of one process with these additional settings."""
    port = free_port()
    environment = {
        "GLASSBOX_REDIS_URL": redis_url,
        "GLASSBOX_VOLUME": str(folder / "volume"),
        "GLASSBOX_PORT": str(port),
        "GLASSBOX_API_PROCESSES": "1",
        **{f"GLASSBOX_{name.upper()}": str(value) for name, value in settings.items()},
    }
    gunicorn = ["-m", "gunicorn", "--config", "services/api/gunicorn.conf.py", "api:create_app()"]
    limits = httpx.Limits(max_connections=None)
    with (
        Process("api", [sys.executable, *gunicorn], folder, environment) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30.0, limits=limits, trust_env=False) as http,
    ):

        def responds() -> bool:
            process.check_alive()
            try:
                return http.get("/healthz").is_success
            except httpx.TransportError:
                return False

        eventually(responds, within=60.0)
        yield ApiServer(port, process, http)


def _descendants(pid: int) -> list[int]:
    return [pid, *(below for child in _children(pid) for below in _descendants(child))]


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
