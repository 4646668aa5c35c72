"""The effect of open event streams on other requests: the latency of `GET /healthz` without and with idle streams.

A training runs meanwhile, as in a busy service; the streams follow a job that is queued after it. Prints a
table and writes `var/benchmarks/event_streams.json`. `STREAMS` (50) sets the number of streams.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np

from services.embedded.running import running_stack

STREAMS = int(os.environ.get("STREAMS", "50"))
REQUESTS = 1000
OUTPUT = Path("var/benchmarks/event_streams.json")
TARGET = "under 50 ms"


def main() -> None:
    """Measure, print and write the figures."""
    with tempfile.TemporaryDirectory(prefix="glassbox-bench-") as folder, ExitStack() as exits:
        client = exits.enter_context(running_stack(Path(folder) / "volume", Path(folder) / "stack.log"))
        limits = httpx.Limits(max_connections=None)
        http = exits.enter_context(httpx.Client(base_url=client.url, limits=limits, trust_env=False))
        client.train("digits", model="digits", preset="accurate", epochs=100_000)
        waiting = client.train("digits", model="digits")
        figures = {"no stream": latencies(http)}
        for _ in range(STREAMS):
            events = http.stream("GET", waiting.links["events"], headers={"Accept": "text/event-stream"})
            exits.enter_context(events).raise_for_status()
        figures[f"{STREAMS} idle streams"] = latencies(http)
    for what, milliseconds in figures.items():
        print(f"GET /healthz, {what:<18}", *(f"{name} {value:7.2f} ms" for name, value in milliseconds.items()), TARGET)
    machine = {"cores": os.cpu_count(), "python": platform.python_version()}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps({"machine": machine, "milliseconds": figures}, indent=2))


def latencies(http: httpx.Client) -> dict[str, float]:
    """Return the latencies in ms of sequential requests on one connection."""
    seconds = []
    for _ in range(REQUESTS):
        begun = time.perf_counter()
        http.get("/healthz").raise_for_status()
        seconds.append(time.perf_counter() - begun)
    values = np.array(seconds) * 1000
    return {"p50": float(np.median(values)), "p99": float(np.quantile(values, 0.99)), "longest": float(values.max())}


if __name__ == "__main__":
    main()
