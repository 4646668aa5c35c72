"""Processes that do not outlive the one that started them."""

from __future__ import annotations

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent(with_signal: signal.Signals) -> None:
    """Ask Linux to send this process a signal when its parent dies, however it dies. Survives an exec."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, with_signal)
    if os.getppid() != parent:  # it died just before
        os.kill(os.getpid(), with_signal)
