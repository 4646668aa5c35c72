"""Runs a program, and restarts it when a source changes: `reload.py FOLDER… -- COMMAND…`. For development only.

It stops the program with SIGTERM, so a worker requeues its job and resumes it after the restart.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

LOOK_SECONDS = 0.5
SUFFIXES = frozenset({".py", ".lua", ".js", ".css", ".html"})


def main(folders: list[Path], command: list[str]) -> None:
    """Run until a signal; a program that ends by itself is restarted when a source has changed."""
    program = subprocess.Popen(command)

    def stop(number: int, _frame: FrameType | None) -> None:
        program.send_signal(number)
        sys.exit(program.wait())

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    seen = state(folders)
    while True:
        time.sleep(LOOK_SECONDS)
        now = state(folders)
        if now != seen:
            seen = now
            print("a source has changed", file=sys.stderr, flush=True)
            program.terminate()
            program.wait()
            program = subprocess.Popen(command)


def state(folders: list[Path]) -> dict[Path, int]:
    """Return when each source was last written. Skips files that are deleted meanwhile."""
    found = {}
    for path in (path for folder in folders for path in folder.rglob("*") if path.suffix in SUFFIXES):
        try:
            found[path] = path.stat().st_mtime_ns
        except FileNotFoundError:
            continue
    return found


if __name__ == "__main__":
    separator = sys.argv.index("--")
    main([Path(name) for name in sys.argv[1:separator]], sys.argv[separator + 1 :])
