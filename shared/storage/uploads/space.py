"""The space of the volume for uploads: weighed and reserved before the first byte is received."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

from shared.errors import StorageFull

KEPT_FREE = 256 * 1024  # bytes that uploads leave free, so that deletions still work
BLOCK = 512  # bytes, the unit of `st_blocks`
KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE of fallocate(2)
UNSUPPORTED = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EPERM}
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_fallocate = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)  # Linux only
if _fallocate is not None:
    _fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


def total(root: Path) -> int:
    """Return the size of the file system in bytes."""
    found = os.statvfs(_existing(root))
    return found.f_blocks * found.f_frsize


def check(root: Path, needed: int) -> None:
    """Raise `StorageFull`, which says how much is missing, if the volume lacks this many bytes."""
    found = os.statvfs(_existing(root))
    free = max(0, found.f_bavail * found.f_frsize - KEPT_FREE)
    if needed > free:
        raise _missing(needed, free)


def reserve(descriptor: int, length: int, start: int = 0) -> None:
    """Reserve the blocks of an open file for this many bytes from `start` on, without changing its size.

    Some file systems, such as NFS before 4.2, cannot; then only `check` has weighed the space. Raises `StorageFull`.
    """
    if not length or _fallocate is None or not _fallocate(descriptor, KEEP_SIZE, start, length):
        return
    error = ctypes.get_errno()
    if error in FULL:
        found = os.fstatvfs(descriptor)
        raise _missing(length, found.f_bavail * found.f_frsize)
    if error not in UNSUPPORTED:
        raise OSError(error, os.strerror(error))


def _missing(needed: int, free: int) -> StorageFull:
    short = max(needed - free, 0)
    missing = f"{short:,} bytes are missing" if short else "a quota or a limit of its file system refuses more"
    return StorageFull(
        "storage_full",
        f"the upload needs {needed:,} bytes, but the volume has {free:,} free: {missing}; delete uploads, data sets or"
        " ended jobs, or make the volume larger, and then begin the upload again",
    )


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
