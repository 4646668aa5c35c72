"""A folder that lasts as long as its process and its children; what a killed process left, the next one removes."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from pathlib import Path


def scratch_folder(parent: Path, prefix: str) -> Path:
    """A new folder in `parent`, held by a lock that no death can leave behind. Removes those that nobody holds."""
    for old in parent.glob(f"{prefix}*"):
        _remove_unless_held(old)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # somebody took it for left behind, in this very moment
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


def _remove_unless_held(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # another one's, or gone already
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)
