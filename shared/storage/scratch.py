"""A temporary folder of a process and its children; if the process is killed, the next process removes the folder."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from pathlib import Path


def scratch_folder(parent: Path, prefix: str) -> Path:
    """Create a folder in `parent` and lock it; the kernel releases the lock with the process. Removes unlocked ones."""
    for old in parent.glob(f"{prefix}*"):
        _remove_unless_locked(old)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # another process removed it before it was locked
            continue
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # children inherit it with the open folder
        if folder.exists():
            break
        os.close(descriptor)
    owner = os.getpid()

    def clean_up() -> None:
        if os.getpid() == owner:  # a child inherits this
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(clean_up)
    return folder


def _remove_unless_locked(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # another user's, or removed already
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)
