"""The archives of one batch: their entries are numbered through, and their paths begin with the archive's name."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Self

from shared.archives.index import ArchiveIndex, Kind
from shared.archives.skipped import SkipReport
from shared.errors import Damaged
from shared.images.shapes import Shape
from shared.storage import durable

FILE = "archives.json"


@dataclass(frozen=True, eq=False)
class SeveralArchives(ArchiveIndex):
    """The indexes `parts` of several archives, one after the other, with the `titles` of the archives.

    On the volume, the folder of the index has the titles and a folder for each part, `0`, `1` and so on. So has the
    folder of the archives.
    """

    titles: tuple[str, ...] = ()
    parts: tuple[ArchiveIndex, ...] = ()

    @classmethod
    def of(cls, titles: Sequence[str], parts: Sequence[ArchiveIndex]) -> Self:
        """Return the index of these archives, in this order."""
        report = SkipReport()
        for title, part in zip(titles, parts, strict=True):
            for code, files in part.skipped.items():
                report.add(code, (f"{title}/{name}" for name in files["names"]), files["count"])
        passed_over = sum(part.passed_over for part in parts)
        return cls(Kind.SEVERAL, passed_over, skipped=report.as_json(), titles=tuple(titles), parts=tuple(parts))

    @cached_property
    def starts(self) -> list[int]:
        """The number of each part's first entry, and of all entries."""
        return list(accumulate(map(len, self.parts), initial=0))

    def __len__(self) -> int:
        return self.starts[-1]

    def part_of(self, index: int) -> int:
        """Return the number of the part that has an entry. Raises IndexError."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        return bisect_right(self.starts, index) - 1

    def shape_of(self, index: int) -> Shape | None:
        """Return the shape of one image if its archive is an array of images; None for a file."""
        return self.parts[self.part_of(index)].image_shape

    def paths(self, start: int, stop: int) -> list[str]:
        """Return the names of the entries `start` to `stop` (exclusive), with the archives' titles."""
        found = []
        for title, first, part in zip(self.titles, self.starts, self.parts, strict=False):
            if start < first + len(part) and stop > first:
                found += [f"{title}/{path}" for path in part.paths(max(start - first, 0), stop - first)]
        return found

    def shards(self, images: int, nbytes: int) -> list[tuple[int, int]]:
        """Cut the entries into runs (start, stop) as `ArchiveIndex.shards` does; no run has entries of two archives."""
        return [
            (first + start, first + stop)
            for first, part in zip(self.starts, self.parts, strict=False)
            for start, stop in part.shards(images, nbytes)
        ]

    def with_shards(self, images: int, nbytes: int) -> Self:
        """Return the index with its shards, so that a worker does not have to read all entries to compute them."""
        return replace(self, parts=tuple(part.with_shards(images, nbytes) for part in self.parts))

    def save(self, folder: Path) -> None:
        """Write the index into `folder`, durably; the titles last."""
        for number, part in enumerate(self.parts):
            part.save(folder / str(number))
        durable.write_json(folder / FILE, {"titles": self.titles})

    def discard(self) -> None:
        """Remove the files of an index that is not needed any more, unless it was saved."""
        for part in self.parts:
            part.discard()


def load(folder: Path) -> ArchiveIndex:
    """Open the index of one archive or of several in `folder`, as `ArchiveIndex.load` does."""
    try:
        titles = json.loads((folder / FILE).read_bytes())["titles"]
    except FileNotFoundError:
        return ArchiveIndex.load(folder)
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged("plan_damaged", f"the list of the archives cannot be read: {error}") from error
    return SeveralArchives.of(titles, [ArchiveIndex.load(folder / str(number)) for number in range(len(titles))])
