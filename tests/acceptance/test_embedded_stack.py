"""The embedded stack as a process group: Ctrl-C or the death of any part stops all parts, and no process is left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from glassbox import Client

from services.embedded.running import UP, free_port, wait_until_ready
from tests.support.waiting import eventually

STOP_SECONDS = 30.0


class Stack:
    """A running `up.py` and its processes: those with its volume in their environment, and its Redis."""

    def __init__(self, folder: Path) -> None:
        self.volume = folder / "volume"
        self.log = folder / "stack.log"
        self.port = free_port()
        few = {"GLASSBOX_API_PROCESSES": "1", "GLASSBOX_WORKER_PROCESSES": "1"}
        environment = {**os.environ, **few, "GLASSBOX_VOLUME": str(self.volume), "GLASSBOX_PORT": str(self.port)}
        with self.log.open("wb") as output:
            self.process = subprocess.Popen([sys.executable, UP], env=environment, stdout=output, stderr=output)

    def processes(self) -> dict[int, str]:
        """The command lines of the stack's living processes, by process id."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                environment = (folder / "environ").read_bytes() + b"\0"
                # Redis overwrites its environment with its title, so its folder identifies it
                is_redis = (folder / "cwd").readlink() == self.volume.with_name("volume-redis")
                if is_redis or f"GLASSBOX_VOLUME={self.volume}\0".encode() in environment:
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def main_process_of(self, part: str) -> int:
        """The oldest process whose command line contains `part`, other than the supervisor."""
        return min(pid for pid, command in self.processes().items() if part in command and pid != self.process.pid)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    try:
        with Client(f"http://127.0.0.1:{stack.port}") as client:
            wait_until_ready(client, stack.process, stack.log)
        yield stack
    finally:
        stack.process.kill()
        stack.process.wait()


def test_ctrl_c_stops_the_whole_stack(stack: Stack) -> None:
    stack.process.send_signal(signal.SIGINT)
    assert stack.process.wait(STOP_SECONDS) == 130
    assert stack.processes() == {}


@pytest.mark.parametrize(
    "part", ["redis-server", "worker training", "worker inference", "worker.webhooks", "gunicorn", "up.py"]
)
def test_the_death_of_any_part_stops_the_whole_stack(stack: Stack, part: str) -> None:
    os.kill(stack.main_process_of(part), signal.SIGKILL)
    assert stack.process.wait(STOP_SECONDS) != 0
    eventually(lambda: stack.processes() == {}, within=STOP_SECONDS)


def test_no_process_is_left_after_the_supervisor_is_killed(stack: Stack) -> None:
    stack.process.kill()
    eventually(lambda: stack.processes() == {}, within=STOP_SECONDS)


def test_a_second_stack_on_the_same_data_is_rejected(stack: Stack) -> None:
    environment = {**os.environ, "GLASSBOX_VOLUME": str(stack.volume), "GLASSBOX_PORT": str(free_port())}
    second = subprocess.run([sys.executable, UP], env=environment, capture_output=True, text=True, check=False)
    assert second.returncode != 0
    assert "another stack runs on" in second.stderr


def test_a_port_in_use_is_reported_with_the_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        environment = {**os.environ, "GLASSBOX_VOLUME": str(tmp_path), "GLASSBOX_PORT": port}
        run = subprocess.run([sys.executable, UP], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert f"port {port} cannot be used" in run.stderr
    assert "GLASSBOX_PORT" in run.stderr
