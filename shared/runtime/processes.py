"""Limits on processes: they end with their parent, and allocate at most a given amount of memory."""

from __future__ import annotations

import ctypes
import os
import resource
import signal

PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent(with_signal: signal.Signals) -> None:
    """Make Linux send this process a signal when its parent dies, from any cause. The setting survives an exec."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, with_signal)
    if os.getppid() != parent:  # the parent died just before the call
        os.kill(os.getpid(), with_signal)


def limit_memory(nbytes: int) -> None:
    """Limit the bytes that this process can allocate.

    An allocation beyond the limit raises `MemoryError`, so that the kernel does not kill the process.

    The limit is `RLIMIT_DATA`: heap, anonymous mappings and threads' stacks. The limit of the address space
    (`RLIMIT_AS`) would also count mapped archives, and memory that libraries reserve and never use.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        nbytes = min(nbytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (nbytes, hard))
