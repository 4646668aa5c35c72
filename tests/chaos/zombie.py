"""A forked process that stops itself, and continues after another process has taken over its work."""

from __future__ import annotations

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable


class Zombie:
    """A process that runs `work` in a fork. `work` calls `sleep`, which sends SIGSTOP; `wake` continues it."""

    def __init__(self, work: Callable[[], object]) -> None:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # about forks with threads
            self._pid = os.fork()
        if not self._pid:
            _run(work)
        _, status = os.waitpid(self._pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), f"the process ended ({status}) before it slept; see its output"

    @staticmethod
    def sleep() -> None:
        """Stop this process with all its threads."""
        os.kill(os.getpid(), signal.SIGSTOP)

    def wake(self) -> None:
        """Continue it, and wait for its end."""
        os.kill(self._pid, signal.SIGCONT)
        _, status = os.waitpid(self._pid, 0)
        assert status == 0, f"the process failed ({status}); see its output"


def _run(work: Callable[[], object]) -> None:
    try:
        work()
    except BaseException:  # pytest must not run in the fork
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)
