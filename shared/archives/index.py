"""The plan of an archive: where each entry lies and what it is called, in columns that any worker can map.

It is made once, when the archive is uploaded, so that no worker has to parse and judge the archive again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from shared.errors import Damaged
from shared.storage import durable

FILE = "plan"

ENTRY = np.dtype(
    [
        ("offset", "<i8"),  # in a zip of the local header, in a tar of the data
        ("end", "<i8"),  # where what follows begins; the entry must end before it
        ("packed", "<i8"),  # bytes in the archive
        ("size", "<i8"),  # bytes when unpacked
        ("name", "<i8"),  # where the name starts among the plan's names
        ("raw", "<i8"),  # where the name as the archive spells it starts; mostly the same
        ("crc", "<u4"),
        ("name_length", "<u4"),
        ("raw_length", "<u2"),
        ("flags", "<u2"),
        ("method", "<u2"),
    ]
)


class Entry(NamedTuple):
    """One row of ENTRY, with the same fields in the same order."""

    offset: int
    end: int
    packed: int
    size: int
    name: int
    raw: int
    crc: int
    name_length: int
    raw_length: int
    flags: int
    method: int


class Kind(StrEnum):
    """What an archive's bytes are, once it is unpacked as far as it must be."""

    ZIP = "zip"
    TAR = "tar"
    ARRAY = "array"


@dataclass(frozen=True)
class ImageArray:
    """Images (N, H, W) of uint8 that follow each other from `offset` on."""

    offset: int
    count: int
    height: int
    width: int


@dataclass(frozen=True, eq=False)
class ArchiveIndex:
    """What an archive holds: its entries to classify, in its order, and how many names were `passed_over`."""

    kind: Kind
    passed_over: int = 0
    entries: NDArray[np.void] = field(default_factory=lambda: np.empty(0, ENTRY))  # (N,) of ENTRY; none in an array
    names: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))  # UTF-8, one behind the other
    array: ImageArray | None = None

    def __len__(self) -> int:
        return self.array.count if self.array else len(self.entries)

    @property
    def image_shape(self) -> tuple[int, int] | None:
        """The height and width of each image, where the archive is an array of them; None where it holds files."""
        return (self.array.height, self.array.width) if self.array else None

    def paths(self, start: int, stop: int) -> list[str]:
        """The names of the entries from `start` to before `stop`; of an array, their indices as text."""
        if self.array:
            return [str(index) for index in range(start, min(stop, len(self)))]
        rows = self.entries[start:stop]
        names = self.names.data
        ends = rows["name"] + rows["name_length"]
        return [str(names[a:b], "utf-8") for a, b in zip(rows["name"].tolist(), ends.tolist(), strict=True)]

    def shards(self, images: int, nbytes: int) -> list[tuple[int, int]]:
        """Cut the entries into runs (start, stop), in their order.

        Each has at most `images` entries, and no more than `nbytes` of unpacked bytes unless its only entry has. The
        same plan and numbers give the same runs.
        """
        return list(self._runs(images, nbytes))

    def _runs(self, images: int, nbytes: int) -> Iterator[tuple[int, int]]:
        if self.array:
            step = max(1, min(images, nbytes // (self.array.height * self.array.width)))
            yield from ((start, min(start + step, len(self))) for start in range(0, len(self), step))
            return
        ends = np.cumsum(self.entries["size"])  # (N,) unpacked bytes up to and with each entry
        start = before = 0
        while start < len(ends):
            fitting = int(np.searchsorted(ends, before + nbytes, "right"))
            stop = min(max(fitting, start + 1), start + images, len(ends))
            yield start, stop
            start, before = stop, int(ends[stop - 1])

    def save(self, folder: Path) -> None:
        """Write the plan into `folder`, durably."""
        description = {"kind": self.kind, "passed_over": self.passed_over, "array": self.array and asdict(self.array)}
        with durable.replacing(folder / FILE) as file:
            for part in (self.entries, self.names, np.frombuffer(json.dumps(description).encode(), np.uint8)):
                npy.write_array(file, part, version=(1, 0), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Map the plan that was saved into `folder`.

        Raises `Damaged` where it is not what `save` writes, and FileNotFoundError where there is none.
        """
        path = folder / FILE
        try:
            with path.open("rb") as file:
                entries, names, description = (_mapped(file, path) for _ in range(3))
            told = json.loads(description.tobytes())
            array = ImageArray(**told["array"]) if told["array"] else None
            return cls(Kind(told["kind"]), told["passed_over"], entries, names, array)
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged("plan_damaged", f"the plan of the archive cannot be read: {error}") from error


def _mapped(file: IO[bytes], path: Path) -> NDArray[Any]:
    """The array that starts where `file` stands, mapped; leaves `file` behind it."""
    npy.read_magic(file)
    shape, _, dtype = npy.read_array_header_1_0(file)
    offset = file.tell()
    if 0 in shape:  # nothing cannot be mapped
        return np.empty(shape, dtype)
    array = np.memmap(path, dtype, "r", offset, shape)
    file.seek(offset + array.nbytes)
    return array
