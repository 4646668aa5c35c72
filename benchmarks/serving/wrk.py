"""Load on many connections, each of which sends its next request after a response: by wrk, in a separate process."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

SCRIPT = """
wrk.method = "{method}"
{headers}
{body}
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("figures %d %d %d %d %d\\n", summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(50)))
  io.write(string.format("slowest %d\\n", latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Request:
    """The request to repeat."""

    path: str
    method: str = "GET"
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Load:
    """The measurements; times in ms."""

    requests_per_second: float
    p50: float
    p99: float


def load(address: str, request: Request, connections: int, seconds: float) -> Load:
    """Send the request for `seconds` seconds; end the benchmark if any response is an error."""
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "body"
        body.write_bytes(request.body)
        script = Path(folder) / "request.lua"
        script.write_text(
            SCRIPT.format(
                method=request.method,
                headers="\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in request.headers.items()),
                body=f'wrk.body = io.open("{body}", "rb"):read("*a")' if request.body else "",
            )
        )
        command = [_wrk(), "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(script), f"{address}{request.path}"]
        output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 30).stdout
    lines = dict(line.split(" ", 1) for line in output.splitlines() if line.startswith(("figures", "slowest")))
    requests, microseconds, refused, failed, p50 = map(int, lines["figures"].split())
    if refused or failed:
        sys.exit(f"{request.method} {address}{request.path}: {refused} responses were errors, and {failed} are missing")
    return Load(requests / microseconds * 1e6, p50 / 1000, int(lines["slowest"]) / 1000)


def _wrk() -> str:
    found = shutil.which("wrk")
    if found is None:
        sys.exit("the benchmark of the API needs wrk (Debian: apt install wrk)")
    return found
