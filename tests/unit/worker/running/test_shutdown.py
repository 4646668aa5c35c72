"""Graceful shutdown: SIGTERM is handled while a job runs, and left to the pool otherwise."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.support.waiting import eventually
from worker.running.shutdown import ShutdownRequest


def test_shutdown_is_not_requested_at_first() -> None:
    assert not ShutdownRequest().requested


def test_sigterm_during_a_job_requests_shutdown() -> None:
    shutdown = ShutdownRequest()
    with shutdown.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        assert eventually(lambda: shutdown.requested)


def test_handler_is_restored_after_a_job() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with ShutdownRequest().listening():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_request_during_one_job_does_not_affect_the_next() -> None:
    shutdown = ShutdownRequest()
    with shutdown.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        eventually(lambda: shutdown.requested)

    with shutdown.listening():
        assert not shutdown.requested


A_PARENT = """
import subprocess, sys
from worker.running.shutdown import notify_children
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
notify_children()
print(child.wait(20))
"""


def test_sigterm_is_sent_to_the_children() -> None:
    """Runs in a separate process: the test's own process has children that must not stop."""
    run = subprocess.run([sys.executable, "-c", A_PARENT], capture_output=True, text=True, check=True, timeout=60)

    assert int(run.stdout) == -signal.SIGTERM
