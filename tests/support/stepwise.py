"""Work that changes files, stopped before each change, so that a test can interleave or crash several such works."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

CHANGES = {"os.link", "os.rename", "os.mkdir", "os.remove", "os.rmdir"}  # audit events (PEP 578)
PATIENCE = 30.0


class Crashed(BaseException):
    """Raised at each change after the crash: crashed work, like a killed process, cleans up nothing."""


class Stepwise:
    """Runs `work` in a thread that waits for its turn before each of its changes to the file system."""

    _by_thread: dict[int, Stepwise] = {}  # noqa: RUF012 - shared by all

    def __init__(self, work: Callable[[], object]) -> None:
        _install_hook()
        self._work = work
        self._turn, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self.crashed = False
        self.ended = False
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._wait()

    def step(self, changes: int = 1) -> None:
        """Run it for this number of changes, and stop it before the next."""
        for _ in range(changes):
            if self.ended:
                return
            self._turn.release()
            self._wait()

    def to_its_end(self) -> None:
        """Run it to its end; raise what it raised."""
        while not self.ended:
            self.step()
        if self.error is not None:
            raise self.error

    def crash(self) -> None:
        """Prevent all further changes."""
        self.crashed = True
        while not self.ended:
            self.step()

    def before_change(self) -> None:
        """Wait for its turn; called in its thread."""
        if not self.crashed:
            self._back.release()
            self._turn.acquire()
        if self.crashed:
            raise Crashed

    def _run(self) -> None:
        self._by_thread[threading.get_ident()] = self
        try:
            self._work()
        except BaseException as error:  # raised again by the caller that waits for the end
            self.error = error
        finally:
            del self._by_thread[threading.get_ident()]
            self.ended = True
            self._back.release()

    def _wait(self) -> None:
        assert self._back.acquire(timeout=PATIENCE), "it neither changes anything nor ends"


_hook_installed = threading.Event()


def _install_hook() -> None:
    """Install an audit hook for changes to the file system in this process; it cannot be removed."""
    if not _hook_installed.is_set():
        _hook_installed.set()
        sys.addaudithook(_on_audit_event)


def _on_audit_event(event: str, arguments: tuple[Any, ...]) -> None:
    if event in CHANGES or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
        stepwise = Stepwise._by_thread.get(threading.get_ident())
        if stepwise is not None:
            stepwise.before_change()
