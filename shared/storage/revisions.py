"""A small state that several hosts change without a lock: a folder of numbered revisions, the highest of which counts.

A change is based on the revision that it was made from, and takes the next number by an exclusive link: who comes
second finds the number taken, reads again, and decides anew. Nobody waits for anybody, however a process ends.
"""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

from shared.storage import durable

KEPT = 32
"""The newest revisions that stay. Reading gets slower with their number; a change that took longer than so many others
is refused, for its number may have been given and removed."""


class Revisions:
    """The revisions in one folder, from 1; 0 stands for the state before the first change."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def newest(self) -> int:
        """The newest revision's number."""
        newest = max(self._numbers(), default=0)
        for number in count(newest + 1):  # a listing may be older than what was changed since, on NFS
            if not self._has(number):
                return number - 1
        raise AssertionError

    def is_newest(self, number: int) -> bool:
        """Whether the number is the newest revision's, in a fraction of the time that `newest` takes."""
        if self._has(number + 1):
            return False
        if number == 0:
            return not self._numbers()
        return self._has(number)  # else the one behind it may be gone, too, and a much newer one be there

    def read(self, number: int) -> bytes | None:
        """A revision's content; None where it is gone, since there are newer ones."""
        try:
            with open(self._path(number), "rb") as file:  # noqa: PTH123
                return file.read()
        except FileNotFoundError:
            return None

    def append(self, base: int, content: bytes) -> bool:
        """Make `content` the revision behind `base`, durably; False, and nothing changed, where `base` is not newest.

        Raises `StorageFull`.
        """
        number = base + 1
        path = Path(self._path(number))
        if not durable.write_exclusively(path, content):
            return False
        numbers = self._numbers()
        if max(numbers, default=0) >= number + KEPT:  # the number was free because it had been given and removed
            path.unlink(missing_ok=True)
            return False
        for old in numbers:
            if old <= number - KEPT:
                Path(self._path(old)).unlink(missing_ok=True)
        return True

    def _has(self, number: int) -> bool:
        return os.path.exists(self._path(number))  # noqa: PTH110 - at half of pathlib's time

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number}"

    def _numbers(self) -> list[int]:
        try:
            return [int(name) for name in os.listdir(self._folder) if name.isdecimal()]  # noqa: PTH208
        except FileNotFoundError:
            return []
