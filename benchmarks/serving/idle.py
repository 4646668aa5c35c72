"""The cost of an idle stack: the CPU time of its processes in half a minute, with maintenance and heartbeats.

Prints a table and writes `var/benchmarks/idle.json`. `IDLE_SECONDS` (30) sets the duration.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from services.embedded.running import running_stack

SECONDS = float(os.environ.get("IDLE_SECONDS", "30"))
OUTPUT = Path("var/benchmarks/idle.json")
TICKS = os.sysconf("SC_CLK_TCK")
PARTS = {"-m worker": "workers", "celeryd": "workers", "gunicorn": "API", "redis-server": "Redis"}
TARGET = {"workers": "under 1 %"}


def main() -> None:
    """Measure, print and write the figures."""
    with tempfile.TemporaryDirectory(prefix="glassbox-bench-") as folder:
        volume = Path(folder) / "volume"
        with running_stack(volume, Path(folder) / "stack.log"):
            before, begun = cpu_seconds(volume), time.monotonic()
            time.sleep(SECONDS)
            after, seconds = cpu_seconds(volume), time.monotonic() - begun
    shares = {part: (after[part] - before[part]) / seconds for part in sorted(after)}
    for part, share in shares.items():
        print(f"idle {part:<10} {share:>8.3%} of a core  {TARGET.get(part, '')}")
    report = {
        "seconds": seconds,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "share_of_a_core": shares,
    }
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(report, indent=2))


def cpu_seconds(volume: Path) -> dict[str, float]:
    """Return the CPU time so far of each part of the stack on this volume, over all its processes."""
    spent = dict.fromkeys(PARTS.values(), 0.0)
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            part = next((part for sign, part in PARTS.items() if sign in command), None)
            if part is not None and belongs_to(process, volume):
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                spent[part] += (int(fields[11]) + int(fields[12])) / TICKS  # utime, stime: proc(5)
    return spent


def belongs_to(process: Path, volume: Path) -> bool:
    """Return whether a process belongs to the stack on this volume: by its environment, or Redis's folder."""
    is_redis = (process / "cwd").readlink() == volume.with_name(f"{volume.name}-redis")
    return is_redis or f"GLASSBOX_VOLUME={volume}\0".encode() in (process / "environ").read_bytes() + b"\0"


if __name__ == "__main__":
    main()
