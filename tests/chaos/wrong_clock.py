"""`python -m tests.chaos.wrong_clock SECONDS training|inference`: a worker with a clock that is wrong by SECONDS."""

from __future__ import annotations

import sys
import time

from worker.__main__ import main

right_time, right_time_ns = time.time, time.time_ns


def shift_clock(seconds: int) -> None:
    """Change this process's wall clock; do not change the monotonic clock."""
    time.time = lambda: right_time() + seconds
    time.time_ns = lambda: right_time_ns() + seconds * 1_000_000_000


if __name__ == "__main__":
    shift_clock(int(sys.argv[1]))
    main(sys.argv[2])
