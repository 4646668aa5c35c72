"""Turns of large images: a process decodes one at a time, because its pixels need up to 256 MiB meanwhile.

The API decodes images in 64 threads, and a file of 40 KB can have 16 million pixels.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from shared.images.formats import Format

SMALL = 1 << 16  # pixels; an image of at most so many needs no turn: one for each thread takes little memory
CHECK_SECONDS = 0.5  # between two checks whether the image is still needed


class NoTurn(Exception):
    """The image waited too long for its turn."""


class Turns:
    """Turns in the order of their requests."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._is_taken = False
        self._waiting: deque[Lock] = deque()  # each is released when its turn starts

    @contextmanager
    def turn(self, check: Callable[[], None], patience: float = math.inf) -> Iterator[None]:
        """Hold a turn during the block.

        While it waits, `check` is called every half second, and what it raises ends the wait. Raises `NoTurn` after
        `patience` seconds.
        """
        self._wait(check, patience)
        try:
            yield
        finally:
            self._end()

    def _wait(self, check: Callable[[], None], patience: float) -> None:
        ready = Lock()
        with self._lock:
            if not self._is_taken:
                self._is_taken = True
                return
            ready.acquire()
            self._waiting.append(ready)
        try:
            _acquire(ready, check, patience)
        except BaseException:
            self._withdraw(ready)
            raise

    def _withdraw(self, ready: Lock) -> None:
        """End a wait; if its turn has started meanwhile, end that."""
        with self._lock:
            waits = ready in self._waiting
            if waits:
                self._waiting.remove(ready)
        if not waits:
            self._end()

    def _end(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False


def _acquire(ready: Lock, check: Callable[[], None], patience: float) -> None:
    while not ready.acquire(timeout=min(CHECK_SECONDS, patience)):
        check()
        patience -= CHECK_SECONDS
        if patience <= 0:
            raise NoTurn


def is_large(kind: Format, content: bytes) -> bool:
    """Return whether decoding an image may need much memory: by its header, or because its header does not say."""
    if kind.name == "TIFF":  # a small one may have a large tile
        return True
    width, height = kind.size_of(content)
    return not 0 < width * height <= SMALL


turns = Turns()


def _renew() -> None:
    """Let a forked process take turns of its own."""
    global turns  # noqa: PLW0603 - the turns of a process
    turns = Turns()


os.register_at_fork(after_in_child=_renew)
