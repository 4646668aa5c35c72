"""MLServer with the same network, in its own environment, for the duration of a `with` block."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.embedded.running import free_port

START_SECONDS = 60
BIN = Path("var/peer-venv/bin").resolve()


@contextmanager
def running_peer(folder: Path, weights: Path, parallel_workers: int) -> Iterator[str]:
    """Start the peer; yield its address when it responds."""
    folder.mkdir()
    ports = {"http_port": free_port(), "grpc_port": free_port(), "metrics_port": free_port()}
    server = {"host": "127.0.0.1", "parallel_workers": parallel_workers, "debug": False, **ports}
    model = {
        "name": "digits",
        "implementation": "benchmarks.serving.mlserver_runtime.Network",
        "parameters": {"uri": str(weights)},
    }
    (folder / "settings.json").write_text(json.dumps(server))
    (folder / "model-settings.json").write_text(json.dumps(model))
    environment = {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path.cwd()),
        "OPENBLAS_NUM_THREADS": "1",
        "HOME": str(folder),
    }
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [BIN / "mlserver", "start", folder], env=environment, cwd=folder, stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{ports['http_port']}"
    try:
        _wait(f"{url}/v2/models/digits/ready", process, log)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own peer
                return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"MLServer did not start. Its output:\n{log.read_text()[-3000:]}")
