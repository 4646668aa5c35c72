"""`python -m tests.support.programs.tethered PARENT COMMAND…`: runs COMMAND, which ends with the test run."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)

if __name__ == "__main__":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the test run is over already")
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell is needed
