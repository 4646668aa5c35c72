"""The lock of an upload: one request at a time writes to it, across all API processes.

The lock is a `flock` on a file, which the kernel releases if the process dies. A request whose client no longer sends
still holds it, until the server notices. If the client continues its upload in the meantime, the new request takes the
lock over: it replaces the file. The earlier request then no longer holds the lock, and writes nothing more.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from shared.errors import Locked, NotFound
from shared.storage import durable
from shared.storage.uploads.folder import UploadFolder

STALLED_SECONDS = 5.0
"""A writer that has written nothing for this long loses the lock to the next request."""

ATTEMPTS = 20  # each lost to another request that took the lock at the same moment


class UploadLock:
    """Holds the lock of an upload within a `with` block. Raises `Locked`, or `NotFound` if the upload is removed."""

    def __init__(self, folder: UploadFolder) -> None:
        self._folder = folder
        self._descriptor = -1

    def __enter__(self) -> Self:
        for _ in range(ATTEMPTS):
            try:
                self._descriptor = os.open(self._folder.lock, os.O_RDWR)
            except FileNotFoundError:
                raise removed() from None
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._descriptor)
                self._take_over()
                continue
            if self.is_held():
                os.utime(self._descriptor)
                return self
            os.close(self._descriptor)
        raise _locked()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.utime(self._descriptor)
        os.close(self._descriptor)

    def is_held(self) -> bool:
        """Return whether no other request has taken the lock over, and the upload is not removed."""
        try:
            return os.path.samestat(self._folder.lock.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def refresh(self) -> None:
        """Store that the upload is in use now. Raises as `__enter__` does if the lock is lost."""
        if not self.is_held():
            raise _locked() if self._folder.lock.exists() else removed()
        os.utime(self._descriptor)

    @contextmanager
    def writing(self, guard: int) -> Iterator[None]:
        """Write within this block: no other request takes the lock over meanwhile. guard: that of the contents."""
        with _exclusively(guard):
            if not self.is_held():
                raise _locked() if self._folder.lock.exists() else removed()
            yield

    def _take_over(self) -> None:
        """Replace the lock of a writer that has stalled. Raises `Locked` if it has not."""
        if not self._has_stalled():
            raise _locked()
        with suppress(FileNotFoundError):
            guard = os.open(self._folder.guard, os.O_RDWR)  # NFS locks files that are open for writing
            try:
                with _exclusively(guard):
                    if self._has_stalled():
                        new = durable.temporary_beside(self._folder.lock)
                        new.touch(exist_ok=False)
                        new.rename(self._folder.lock)
            finally:
                os.close(guard)

    def _has_stalled(self) -> bool:
        with suppress(FileNotFoundError):
            last = max(self._folder.lock.stat().st_mtime, self._folder.guard.stat().st_mtime)
            return time.time() - last > STALLED_SECONDS
        return False


@contextmanager
def _exclusively(descriptor: int) -> Iterator[None]:
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextmanager
def no_write(folder: UploadFolder) -> Iterator[None]:
    """Let no request write to the upload within this block; those that hold its lock wait."""
    guard = os.open(folder.guard, os.O_RDWR)
    try:
        with _exclusively(guard):
            yield
    finally:
        os.close(guard)


def removed() -> NotFound:
    """Return the error for an upload that does not exist."""
    return NotFound("upload_not_found", "the upload does not exist, or another API key made it; begin a new one")


def _locked() -> Locked:
    return Locked(
        "upload_locked",
        f"another request writes to this upload now; try again when it has ended, or in {STALLED_SECONDS:g} s if its"
        " connection is broken",
    )
