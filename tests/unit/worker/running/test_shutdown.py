"""The wish to stop: heard while a job runs, left to the pool otherwise."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.support.waiting import eventually
from worker.running.shutdown import ShutdownRequest


def test_nobody_is_told_at_first() -> None:
    assert not ShutdownRequest().told


def test_sigterm_during_a_job_is_the_wish_to_give_it_back() -> None:
    shutdown = ShutdownRequest()
    with shutdown.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        assert eventually(lambda: shutdown.told)


def test_between_jobs_the_handler_is_what_it_was() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with ShutdownRequest().listening():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_job_after_one_that_was_given_back_is_not_given_back_unheard() -> None:
    shutdown = ShutdownRequest()
    with shutdown.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        eventually(lambda: shutdown.told)

    with shutdown.listening():
        assert not shutdown.told


A_PARENT = """
import subprocess, sys
from worker.running.shutdown import notify_children
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
notify_children()
print(child.wait(20))
"""


def test_the_wish_is_passed_on_to_the_children() -> None:
    """In a process of its own: this one has children that are not to stop."""
    run = subprocess.run([sys.executable, "-c", A_PARENT], capture_output=True, text=True, check=True, timeout=60)

    assert int(run.stdout) == -signal.SIGTERM
