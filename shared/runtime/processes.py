"""Limits on processes: they end with their parent, and allocate at most a given amount of memory."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from contextlib import suppress
from pathlib import Path

DATA, USED = "VmData", "RssAnon"  # proc_pid_status(5): what RLIMIT_DATA counts, and how much of it is in memory
PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent(with_signal: signal.Signals) -> None:
    """Make Linux send this process a signal when its parent dies, from any cause. The setting survives an exec."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, with_signal)
    if os.getppid() != parent:  # the parent died just before the call
        os.kill(os.getpid(), with_signal)


def _unused() -> int:
    """Return the bytes that this process has reserved for data and not used yet; 0 if the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    kilobytes = {name: int(line.split()[1]) for line in lines if (name := line.partition(":")[0]) in {DATA, USED}}
    return max(0, kilobytes.get(DATA, 0) - kilobytes.get(USED, 0)) * 1024


def limit_memory(nbytes: int) -> None:
    """Limit the bytes that this process can allocate.

    An allocation beyond the limit raises `MemoryError`, so that the kernel does not kill the process.

    The limit is `RLIMIT_DATA`: heap, anonymous mappings and threads' stacks. The limit of the address space
    (`RLIMIT_AS`) would also count mapped archives. Memory that libraries have reserved before this call and do not use,
    such as the buffers of a BLAS for each of its threads, does not count.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    nbytes += _unused()
    if hard != resource.RLIM_INFINITY:
        nbytes = min(nbytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (nbytes, hard))


def kill_first() -> None:
    """Make this the first process that the kernel kills if the memory of its container or machine is short."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="utf-8")


def allocated() -> int:
    """Return the bytes that this process has allocated, by the measure of `limit_memory`; 0 if Linux does not say."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmData:"):
            return 1024 * int(line.split()[1])
    return 0
