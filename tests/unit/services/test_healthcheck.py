"""`services/healthcheck.sh`: the health check of every container."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.network import free_port
from tests.support.programs.processes import ROOT
from tests.support.waiting import eventually

SCRIPT = ROOT / "services" / "healthcheck.sh"
UPTIME = 5000
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
UNAVAILABLE = b'HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n\r\n{"redis":"away"}\n'


class Checked:
    """A fake container for the script: its processes, its /tmp, a worker's file, the API's port."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        self.tmp = folder / "tmp"
        self.tmp.mkdir()
        self.proc.mkdir()
        (self.proc / "uptime").write_text(f"{UPTIME}.42 9000.00\n")
        self.process(1, "docker-init", "S")
        self.process(7, "a (strange) name", "S")
        self.port = free_port()
        self.environment = {
            "PATH": os.environ["PATH"],
            "PROC_FOLDER": str(self.proc),
            "TMPDIR": str(self.tmp),
            "GLASSBOX_PRESENCE_FILE": str(self.tmp / "present"),
            "GLASSBOX_PORT": str(self.port),
        }
        self.started: list[subprocess.Popen[bytes]] = []

    def process(self, pid: int, name: str, state: str) -> None:
        (self.proc / str(pid)).mkdir(exist_ok=True)
        (self.proc / str(pid) / "stat").write_text(f"{pid} ({name}) {state} 1 1 1 0 -1\n")

    def present_until(self, uptime: int) -> None:
        (self.tmp / "present").write_text(f"{uptime}\n")

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start the check; it is killed after the test."""
        check = subprocess.Popen(["bash", SCRIPT, *arguments], env=self.environment, stdout=subprocess.DEVNULL)
        self.started.append(check)
        return check

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run the check to its end; return its exit status and output."""
        done = subprocess.run(
            ["bash", SCRIPT, *arguments], env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, done.stdout


@pytest.fixture
def checked(tmp_path: Path) -> Iterator[Checked]:
    checked = Checked(tmp_path)
    yield checked
    for check in checked.started:
        check.kill()
        check.wait()


@contextmanager
def served(port: int, response: bytes | None) -> Iterator[None]:
    """Run a server that sends each connection this response; if it is None, the server hangs."""
    with socket.create_server(("127.0.0.1", port)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    request = b""
                    while not request.endswith(b"\r\n\r\n"):
                        request += connection.recv(1000)
                    connection.sendall(response or b"")

        if response is not None:
            threading.Thread(target=serve, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)


def test_a_worker_whose_presence_is_valid_is_healthy(checked: Checked) -> None:
    checked.present_until(UPTIME + 1)
    assert checked.run("presence") == (0, "")


@pytest.mark.parametrize(
    ("until", "reason"),
    [
        (None, "the worker of this container has not reached Redis\n"),
        (UPTIME, "the worker of this container no longer reaches Redis\n"),
    ],
)
def test_a_worker_whose_presence_is_missing_or_expired_is_unhealthy(
    checked: Checked, until: int | None, reason: str
) -> None:
    if until is not None:
        checked.present_until(until)
    assert checked.run("presence") == (1, reason)


def test_a_stopped_process_makes_its_container_unhealthy(checked: Checked) -> None:
    checked.present_until(UPTIME + 1)
    checked.process(8, "python) T (", "S")
    assert checked.run("presence") == (0, "")

    checked.process(9, "python", "T")
    assert checked.run("presence") == (1, "the process 9 (python) is stopped\n")


def test_a_process_that_ends_during_the_check_is_skipped(checked: Checked) -> None:
    checked.present_until(UPTIME + 1)
    (checked.proc / "10").mkdir()
    (checked.proc / "10" / "stat").symlink_to("gone")
    assert checked.run("presence") == (0, "")


def test_an_api_that_responds_is_healthy(checked: Checked) -> None:
    with served(checked.port, OK):
        assert checked.run("api") == (0, "")


def test_an_api_that_responds_with_an_error_is_unhealthy_with_the_reason(checked: Checked) -> None:
    with served(checked.port, UNAVAILABLE):
        assert checked.run("api") == (1, 'the API answers 503: {"redis":"away"}\n')


def test_an_api_that_hangs_is_unhealthy_within_seconds(checked: Checked) -> None:
    with served(checked.port, None):
        started = time.monotonic()
        assert checked.run("api") == (1, "no response within 3 s\n")
        assert time.monotonic() - started < 10


def test_an_api_that_does_not_listen_is_unhealthy(checked: Checked) -> None:
    status, output = checked.run("api")
    assert status == 1
    assert "Connection refused" in output


@pytest.mark.parametrize("arguments", [(), ("cooking",), ("cooking", "120")])
def test_wrong_arguments_are_an_error(checked: Checked, arguments: tuple[str, ...]) -> None:
    status, _ = checked.run(*arguments)
    assert status not in {0, 1}


class TestForSeconds:
    """A check that lasts for a number of seconds."""

    def test_the_first_check_ends_as_soon_as_the_service_is_healthy(self, checked: Checked) -> None:
        check = checked.start("presence", "120")
        with pytest.raises(subprocess.TimeoutExpired):
            check.wait(0.5)
        checked.present_until(UPTIME + 1)
        assert check.wait(10) == 0

    def test_the_next_checks_last_for_the_given_time(self, checked: Checked) -> None:
        checked.present_until(UPTIME + 1)
        assert checked.run("presence", "1") == (0, "")
        started = time.monotonic()
        assert checked.run("presence", "2") == (0, "")
        assert 1 < time.monotonic() - started < 10  # the shell counts whole seconds

    @pytest.mark.parametrize("fail", [lambda c: c.present_until(UPTIME), lambda c: c.process(9, "python", "T")])
    def test_a_failure_ends_the_check_before_its_time(self, checked: Checked, fail: Callable[[Checked], None]) -> None:
        checked.present_until(UPTIME + 1)
        assert checked.run("presence", "120") == (0, "")
        check = checked.start("presence", "120")
        with pytest.raises(subprocess.TimeoutExpired):
            check.wait(0.5)
        fail(checked)
        started = time.monotonic()
        assert check.wait(30) == 1
        assert time.monotonic() - started < 15

    def test_a_failure_that_lasts_less_than_a_second_does_not_count(self, checked: Checked) -> None:
        checked.present_until(UPTIME + 1)
        assert checked.run("presence", "1") == (0, "")
        checked.present_until(UPTIME)
        check = checked.start("presence", "2")
        with pytest.raises(subprocess.TimeoutExpired):
            check.wait(0.4)
        checked.present_until(UPTIME + 1)
        assert check.wait(30) == 0

    def test_a_service_that_is_healthy_again_is_detected_at_once(self, checked: Checked) -> None:
        checked.present_until(UPTIME + 1)
        assert checked.run("presence", "120") == (0, "")
        checked.present_until(UPTIME)
        assert checked.run("presence", "120")[0] == 1

        check = checked.start("presence", "120")
        checked.present_until(UPTIME + 1)
        assert check.wait(10) == 0

    def test_a_check_starts_no_process_while_it_waits(self, checked: Checked) -> None:
        checked.present_until(UPTIME + 1)
        assert checked.run("presence", "120") == (0, "")
        check = checked.start("presence", "120")
        children = Path(f"/proc/{check.pid}/task/{check.pid}/children")

        eventually(lambda: Path(f"/proc/{check.pid}/fd/9").exists())
        eventually(lambda: children.read_text().split() == [])
        assert check.poll() is None
