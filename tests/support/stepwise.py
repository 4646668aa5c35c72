"""Work that changes files, stopped before each change: several at once, interleaved and crashed as a test says."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

CHANGES = {"os.link", "os.rename", "os.mkdir", "os.remove", "os.rmdir"}  # audit events (PEP 578)
PATIENCE = 30.0


class Crashed(BaseException):
    """Raised at each change from the crash on: like the killed, the crashed clean nothing up."""


class Stepwise:
    """Runs `work` in a thread that waits before each of its changes to the file system for its turn."""

    _by_thread: dict[int, Stepwise] = {}  # noqa: RUF012 - of all

    def __init__(self, work: Callable[[], object]) -> None:
        _listen()
        self._work = work
        self._turn, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self.crashed = False
        self.ended = False
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._wait()

    def step(self, changes: int = 1) -> None:
        """Let it make so many changes, and stop before the next."""
        for _ in range(changes):
            if self.ended:
                return
            self._turn.release()
            self._wait()

    def to_its_end(self) -> None:
        """Let it make all its changes; raises what it raised."""
        while not self.ended:
            self.step()
        if self.error is not None:
            raise self.error

    def crash(self) -> None:
        """Let it make no change any more."""
        self.crashed = True
        while not self.ended:
            self.step()

    def before_change(self) -> None:
        """Called in its thread."""
        if not self.crashed:
            self._back.release()
            self._turn.acquire()
        if self.crashed:
            raise Crashed

    def _run(self) -> None:
        self._by_thread[threading.get_ident()] = self
        try:
            self._work()
        except BaseException as error:  # for who waits for its end
            self.error = error
        finally:
            del self._by_thread[threading.get_ident()]
            self.ended = True
            self._back.release()

    def _wait(self) -> None:
        assert self._back.acquire(timeout=PATIENCE), "it neither changes anything nor ends"


_listens = threading.Event()


def _listen() -> None:
    """Hear of every change to the file system in this process, from the first use on: there is no way to stop."""
    if not _listens.is_set():
        _listens.set()
        sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event in CHANGES or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
        stepwise = Stepwise._by_thread.get(threading.get_ident())
        if stepwise is not None:
            stepwise.before_change()
