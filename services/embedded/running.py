"""An embedded stack for the duration of a `with` block: for the demo, the benchmarks and the acceptance tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glassbox import Client, GlassboxError

UP = Path(__file__).with_name("up.py")
START_SECONDS = 60


@contextmanager
def running_stack(volume: Path, log: Path, **settings: str) -> Iterator[Client]:
    """Run an embedded stack on a free port with these `settings` (`GLASSBOX_…`); yield its client, then stop it."""
    port = free_port()
    environment = {**os.environ, "GLASSBOX_VOLUME": str(volume), "GLASSBOX_PORT": str(port), **settings}
    with log.open("wb") as output:
        stack = subprocess.Popen([sys.executable, UP], env=environment, stdout=output, stderr=output)
    try:
        with Client(f"http://127.0.0.1:{port}") as client:
            wait_until_ready(client, stack, log)
            yield client
    finally:
        stack.send_signal(signal.SIGTERM)
        stack.wait()


def free_port() -> int:
    """Return a port that no process listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(client: Client, stack: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for the API and a worker on each queue."""
    deadline = time.monotonic() + START_SECONDS
    while stack.poll() is None and time.monotonic() < deadline:
        try:
            if all(client.ready().workers.values()):
                return
        except GlassboxError:
            pass
        time.sleep(0.05)
    sys.exit(f"the stack did not start. Its output:\n{log.read_text()}")
