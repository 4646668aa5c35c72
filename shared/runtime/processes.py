"""Processes that do not outlive the one that started them, and take no more memory than they may."""

from __future__ import annotations

import ctypes
import os
import resource
import signal

PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent(with_signal: signal.Signals) -> None:
    """Ask Linux to send this process a signal when its parent dies, however it dies. Survives an exec."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, with_signal)
    if os.getppid() != parent:  # it died just before
        os.kill(os.getpid(), with_signal)


def limit_memory(nbytes: int) -> None:
    """Let this process allocate at most so much: what asks for more raises `MemoryError`, and nobody is killed for it.

    That is `RLIMIT_DATA`: heap, anonymous mappings and threads' stacks. The address space (`RLIMIT_AS`) would count the
    archives that are mapped, and what libraries reserve and never touch.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        nbytes = min(nbytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (nbytes, hard))
