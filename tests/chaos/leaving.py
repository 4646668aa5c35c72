"""`python -m tests.chaos.leaving MARK`: a classifier that is killed once while its process leaves a batch.

The batch is released then, and its message is not sent. MARK: the file that is there after that.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from celery.signals import worker_process_init

from worker.__main__ import main


def let_it_die(mark: Path) -> None:
    """Kill the process when it sends the message of a batch that it leaves, if no process was killed before."""
    from shared.jobs import Job  # noqa: PLC0415 - only the pool's processes import NumPy
    from worker.running.runner import Released, Runner  # noqa: PLC0415

    send = Runner._send

    def die_once(self: Runner, job: Job, released: Released) -> None:
        if released.hands_over and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        send(self, job, released)

    Runner._send = die_once  # type: ignore[method-assign]


if __name__ == "__main__":
    path = Path(sys.argv[1])
    worker_process_init.connect(lambda **_: let_it_die(path), weak=False)
    main("inference")
