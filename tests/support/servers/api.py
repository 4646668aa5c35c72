"""The API alone on gunicorn, for tests without workers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from shared.registry import Registry
from shared.storage.volume import Volume
from tests.support.network import free_port
from tests.support.objects.models import publish
from tests.support.programs.processes import Process
from tests.support.servers.stack import START_SECONDS
from tests.support.waiting import eventually


@contextmanager
def running_api(folder: Path, volume: Volume, processes: int, **settings: str) -> Iterator[httpx.Client]:
    """Run an API of this number of processes without a Redis; yield a client of it."""
    port = free_port()
    environment = {
        "GLASSBOX_REDIS_URL": f"unix://{folder}/no.sock",
        "GLASSBOX_VOLUME": str(volume.root),
        "GLASSBOX_PORT": str(port),
        "GLASSBOX_API_PROCESSES": str(processes),
        **settings,
    }
    command = [sys.executable, "-m", "gunicorn", "--config", "services/api/gunicorn.conf.py", "api:create_app()"]
    with (
        Process("api", command, folder, environment) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30.0, trust_env=False) as http,
    ):

        def responds() -> bool:
            process.check_alive()
            try:
                return http.get("/healthz").is_success
            except httpx.TransportError:
                return False

        eventually(responds, within=START_SECONDS)
        yield http


@contextmanager
def api_with_two_versions(folder: Path, processes: int) -> Iterator[httpx.Client]:
    """Run an API of this number of processes with two versions of `toy`, of which the first is the champion."""
    volume = Volume(folder / "volume")
    registry = Registry(volume)
    for job in ("job-1", "job-2"):
        publish(registry, job=job)
    registry.point("toy", "champion", 1)
    with running_api(folder, volume, processes) as http:
        yield http
