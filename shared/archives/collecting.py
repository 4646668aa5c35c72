"""Collecting the entries of an archive into a plan, while the limits that concern them all are watched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.archives.names import normalised, shown
from shared.archives.plan import ENTRY, Kind, Plan
from shared.errors import Invalid, TooLarge
from shared.runtime.settings import Settings

RUN = 65_536


class Collector:
    """Takes the entries of an archive run by run, and knows the rules on their number, sum and names."""

    def __init__(self, capacity: int, limits: Settings) -> None:
        """capacity: as many entries as there can be; only what is used of it takes memory."""
        self._limits = limits
        self._entries = np.empty(min(capacity, limits.max_archive_entries), ENTRY)
        self._passed_over = np.empty(len(self._entries), np.bool_)
        self._hashes = np.empty(len(self._entries), np.int64)
        self._names = bytearray()
        self._count = self._size = 0

    @property
    def entries(self) -> NDArray[np.void]:
        """What was collected so far, (n,) of ENTRY, to be changed in place."""
        return self._entries[: self._count]

    def check(self, count: int, size: int) -> None:
        """Check that `count` more entries of `size` bytes when unpacked would be within the limits."""
        if self._count + count > self._limits.max_archive_entries:
            raise TooLarge("archive_too_large", f"more than {self._limits.max_archive_entries} entries")
        if self._size + size > self._limits.max_expanded_bytes:
            raise TooLarge("archive_too_large", f"more than {self._limits.max_expanded_bytes} bytes when unpacked")

    def add(
        self,
        run: NDArray[np.void],
        names: Sequence[bytes],
        passed_over: NDArray[np.bool_],
        raw_names: Sequence[bytes] | None = None,
    ) -> None:
        """Add a run (n,) of ENTRY that was judged, with their names in UTF-8, and as the archive spells them."""
        start, stop = self._count, self._count + len(run)
        lengths = np.fromiter(map(len, names), np.int64, len(names))
        run["name"] = run["raw"] = len(self._names) + np.cumsum(lengths) - lengths
        run["name_length"] = run["raw_length"] = lengths
        self._names += b"".join(names)
        for index, raw in enumerate(raw_names or ()):
            if raw != names[index]:
                run["raw"][index], run["raw_length"][index] = len(self._names), len(raw)
                self._names += raw
        if len(self._names) > self._limits.max_names_bytes:
            raise TooLarge("archive_too_large", f"names of more than {self._limits.max_names_bytes} bytes in all")
        self._entries[start:stop] = run
        self._passed_over[start:stop] = passed_over
        self._hashes[start:stop] = np.fromiter(map(hash, _places(names)), np.int64, len(names))
        self._count = stop
        self._size += int(run["size"].sum())

    def name(self, index: int) -> str:
        """The name of one entry."""
        row = self._entries[index]
        return self._names[row["name"] : row["name"] + row["name_length"]].decode()

    def plan(self, kind: Kind) -> Plan:
        """The plan of all that was collected; refuses an archive in which a name is twice, or nothing to classify."""
        self._refuse_duplicates()
        total, kept = self._count, 0
        for start in range(0, total, RUN):  # in place, for a second copy of a million entries would be felt
            run = self._entries[start : min(start + RUN, total)]
            wanted = run[~self._passed_over[start : start + len(run)]]
            self._entries[kept : kept + len(wanted)] = wanted
            kept += len(wanted)
        if kept == 0:
            raise Invalid("archive_empty", "the archive holds no files to classify")
        return Plan(kind, total - kept, self._entries[:kept], np.frombuffer(self._names, np.uint8))

    def _refuse_duplicates(self) -> None:
        """Sort the names' hashes and compare only those names whose hashes are equal: no set of a million names."""
        hashes = self._hashes[: self._count]
        order = np.argsort(hashes)
        hashes = hashes[order]
        equal = hashes[1:] == hashes[:-1]
        seen = set()
        for index in order[np.append(equal, False) | np.insert(equal, 0, False)] if equal.any() else ():
            place = normalised(self.name(index).encode())
            if place in seen:
                raise Invalid("archive_duplicate", f"{shown(place.decode())} is in the archive twice")
            seen.add(place)


def _places(names: Sequence[bytes]) -> Iterable[bytes]:
    """The names in the one spelling by which they are compared; hardly any archive has a name in another."""
    together = b"\n".join(names)
    if b"./" in together or b"//" in together or together.endswith(b"/.") or b"/.\n" in together:
        return map(normalised, names)
    return names
