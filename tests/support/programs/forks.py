"""Work in forked processes: several at once, or one that dies between two changes to the file system."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

Work = Callable[[], object]

CHANGES = {"os.link", "os.rename", "os.mkdir", "os.remove", "os.rmdir"}  # audit events (PEP 578)
DIED = 99


def together(works: Sequence[Work]) -> None:
    """Run each work in a separate process, all started at the same moment; fail if one fails."""
    gate, opener = os.pipe()

    def begin(work: Work) -> None:
        os.close(opener)
        os.read(gate, 1)
        work()

    children = [_fork(partial(begin, work)) for work in works]
    os.close(opener)  # all children wait until the pipe is closed
    os.close(gate)
    statuses = [_wait(child) for child in children]
    assert not any(statuses), f"the processes ended with {statuses}; what they printed has more"


def dies_before_change(number: int, work: Work) -> bool:
    """Run the work in a process that dies, as if killed, before its change `number`; return False if it completed."""

    def doomed() -> None:
        changes = 0

        def count(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal changes
            if event in CHANGES or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
                changes += 1
                if changes == number:
                    os._exit(DIED)

        sys.addaudithook(count)
        work()

    status = _wait(_fork(doomed))
    assert status in {0, DIED}, f"the work failed with status {status}; what it printed has more"
    return status == DIED


def _fork(work: Work) -> int:
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # about forks with threads
        child = os.fork()
    return child or _run_and_exit(work)


def _run_and_exit(work: Work) -> NoReturn:
    try:
        work()
    except BaseException:  # pytest must not run in the fork
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
