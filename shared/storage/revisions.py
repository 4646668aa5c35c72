"""A small state that several hosts change without a lock: a folder of numbered revisions, of which the newest is valid.

A change is based on the newest revision, and takes the next number by an exclusive link (optimistic concurrency). If
the number is taken, the caller reads the newer revision and tries again. No process waits for another, so a crashed
process blocks none.
"""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

from shared.storage import durable

KEPT = 32
"""The number of newest revisions that are kept. Reading is slower with more of them. A change is rejected if as many
others were made meanwhile, because its number may have been used and removed."""


class Revisions:
    """The revisions in one folder, from 1; 0 is the state before the first change."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def newest(self) -> int:
        """Return the newest revision's number."""
        newest = max(self._numbers(), default=0)
        for number in count(newest + 1):  # on NFS, the listing may be outdated
            if not self._has(number):
                return number - 1
        raise AssertionError

    def is_newest(self, number: int) -> bool:
        """Return whether the number is the newest revision's; much faster than `newest`."""
        if self._has(number + 1):
            return False
        if number == 0:
            return not self._numbers()
        return self._has(number)  # if it was removed, the next one may be too, and a much newer one may exist

    def read(self, number: int) -> bytes | None:
        """Return a revision's content; None if it was removed because there are newer ones."""
        try:
            with open(self._path(number), "rb") as file:  # noqa: PTH123
                return file.read()
        except FileNotFoundError:
            return None

    def append(self, base: int, content: bytes) -> bool:
        """Write `content` as the revision after `base`, durably; False, with no change, if `base` is not the newest.

        Raises `StorageFull`.
        """
        number = base + 1
        path = Path(self._path(number))
        if not durable.write_exclusively(path, content):
            return False
        numbers = self._numbers()
        if max(numbers, default=0) >= number + KEPT:  # the number was free because it had been used and removed
            path.unlink(missing_ok=True)
            return False
        for old in numbers:
            if old <= number - KEPT:
                Path(self._path(old)).unlink(missing_ok=True)
        return True

    def _has(self, number: int) -> bool:
        return os.path.exists(self._path(number))  # noqa: PTH110 - twice as fast as pathlib

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number}"

    def _numbers(self) -> list[int]:
        try:
            return [int(name) for name in os.listdir(self._folder) if name.isdecimal()]  # noqa: PTH208
        except FileNotFoundError:
            return []
