"""The command `glassbox` as a process: with pipes, or on a pseudoterminal on which a test types."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.programs.processes import ROOT

SECONDS = 60.0
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Done:
    """An ended command."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return its output, as JSON."""
        return json.loads(self.out)

    @property
    def line(self) -> str:
        """The only line on its standard error."""
        (line,) = self.err.splitlines()
        return line


@dataclass(frozen=True)
class Command:
    """`glassbox` with one server, in one folder, with additional `environment`."""

    url: str
    folder: Path
    environment: Mapping[str, str]

    def __call__(self, *arguments: str | Path, **environment: str) -> Done:
        """Run it with pipes until it ends."""
        done = subprocess.run(
            command_line(*arguments),
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self._environment(environment),
            timeout=SECONDS,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start it with pipes."""
        return subprocess.Popen(
            command_line(*arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=self._environment({}),
        )

    def on_terminal(self, *arguments: str | Path) -> Terminal:
        """Start it on a pseudoterminal."""
        return Terminal(command_line(*arguments), self.folder, self._environment({}))

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("GLASSBOX_")}
        client = {
            "PYTHONPATH": str(ROOT / "client"),
            "GLASSBOX_URL": self.url,
            "GLASSBOX_CONFIG": str(self.folder / "no"),
        }
        return {**own, **client, "TERM": "xterm-256color", **self.environment, **more}


class Terminal:
    """A command on a pseudoterminal, 120 columns wide."""

    def __init__(self, command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._terminal, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self._process = subprocess.Popen(
            command,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - the controlling terminal's process gets Ctrl-C
        )
        os.close(inner)
        self._seen = b""
        self._expected_from = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        os.close(self._terminal)

    @property
    def shown(self) -> str:
        """The output so far, without control sequences."""
        return CODES.sub("", self._seen.decode(errors="replace")).replace("\r", "\n")

    def shows(self, text: str) -> None:
        """Wait until it has shown this, after the text of the previous wait."""
        deadline = time.monotonic() + SECONDS
        open_ = True
        while (found := self.shown.find(text, self._expected_from)) < 0:
            assert open_, f"it ended without {text!r}, after:\n{self.shown[-2000:]}"
            assert time.monotonic() < deadline, f"{text!r} was not shown, but:\n{self.shown[-2000:]}"
            open_ = self._read(1.0)
        self._expected_from = found + len(text)

    def types(self, text: str) -> None:
        """Type this; `\\x03` is Ctrl-C."""
        os.write(self._terminal, text.encode())

    def ended(self) -> int:
        """Wait for its end; return its exit status."""
        while self._read(SECONDS):
            pass
        return self._process.wait(SECONDS)

    def _read(self, seconds: float) -> bool:
        """Read the available output; return false at its end."""
        ready, _, _ = select.select([self._terminal], [], [], seconds)
        if not ready:
            return True
        try:
            content = os.read(self._terminal, 65536)
        except OSError:  # the other side is closed
            return False
        self._seen += content
        return bool(content)


def command_line(*arguments: str | Path) -> list[str]:
    """Return the arguments that start the command as a process."""
    return [sys.executable, "-m", "glassbox", *map(str, arguments)]
