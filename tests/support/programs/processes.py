"""The programs that tests run: each in a process group, with its output in a file; they end with the test run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

ROOT = Path(__file__).parents[3]
STOP_SECONDS = 15.0
LOG_TAIL = 8000


class Process:
    """A running program. Use it in a `with` block, which ends it and its child processes."""

    running: ClassVar[list[Process]] = []

    def __init__(
        self, name: str, command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.folder = folder
        self._log = folder / f"{name}.log"
        tethered = [sys.executable, "-m", "tests.support.programs.tethered", str(os.getpid()), *map(str, command)]
        with self._log.open("wb") as output:
            self._popen = subprocess.Popen(
                tethered,
                cwd=ROOT,
                env=_environment(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.running.append(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process's id, which is also its group's."""
        return self._popen.pid

    def log(self) -> str:
        """The end of its output."""
        return self._log.read_bytes()[-LOG_TAIL:].decode(errors="replace")

    @property
    def has_ended(self) -> bool:
        """Whether it has ended."""
        return self._popen.poll() is not None

    def check_alive(self) -> None:
        """Raise, with its output, if it has ended."""
        status = self._popen.poll()
        if status is not None:
            raise RuntimeError(f"{self.name} ended with status {status}:\n{self.log()}")

    def freeze(self) -> None:
        """Stop it by SIGSTOP: it exists, but does not respond."""
        self._popen.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    def thaw(self) -> None:
        """Continue it after `freeze`."""
        self._popen.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it and its child processes at once, like a power failure."""
        if self in self.running:
            self.running.remove(self)
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self.thaw()
        self._popen.terminate()

    def stop(self) -> None:
        """Send it SIGTERM, wait, then end its whole group."""
        self.terminate()
        try:
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(STOP_SECONDS)
        finally:
            self.kill()


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without the settings of Glassbox and BLAS's threads, and with `own`."""
    passed_on = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GLASSBOX_") and not name.endswith("_NUM_THREADS")
    }
    return passed_on | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | dict(own)


def api_processes(port: int | str) -> list[Path]:
    """Return the folders in /proc of gunicorn's processes that listen on this port."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
        except OSError:  # it has ended, or belongs to another user
            continue
        if b"api:create_app()" in command and f"GLASSBOX_PORT={port}".encode() in environment.split(b"\0"):
            found.append(folder)
    return found


def peak_bytes(process: Path) -> int:
    """Return the peak memory of a process."""
    lines = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024
