"""The index of an archive: the offset, size and name of each entry, in columns that workers map into memory.

It is built once, when the archive is uploaded, so that no worker parses and validates the archive again.
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
from shared.images.shapes import Shape, shape_with
from shared.json_types import Skipped
from shared.storage import durable
from shared.storage.sources.local import PinnedFile

FILE = "plan"

ENTRY = np.dtype(
    [
        ("offset", "<i8"),  # of the local header in a zip, of the data in a tar
        ("end", "<i8"),  # offset of what follows; the entry must not reach beyond it
        ("packed", "<i8"),  # bytes in the archive
        ("size", "<i8"),  # bytes when unpacked
        ("name", "<i8"),  # offset of the name in `ArchiveIndex.names`
        ("raw", "<i8"),  # offset of the name as stored in the archive; mostly the same
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
    """The format of an archive, after decompression."""

    ZIP = "zip"
    TAR = "tar"
    ARRAY = "array"
    FOLDER = "folder"  # of files that are read in place


@dataclass(frozen=True)
class ImageArray:
    """The place and shape of contiguous images of uint8, (N, H, W) or (N, H, W, 3), from `offset` of the file."""

    offset: int
    count: int
    height: int
    width: int
    channels: int = 1

    @property
    def image_shape(self) -> Shape:
        """The shape of one image, (H, W) or (H, W, 3)."""
        return shape_with(self.height, self.width, self.channels)

    @property
    def image_bytes(self) -> int:
        """The size of one image."""
        return self.height * self.width * self.channels

    def description(self) -> dict[str, int]:
        """Return the fields as JSON; one channel is not named, so that an older version reads a grayscale array."""
        return {name: value for name, value in asdict(self).items() if (name, value) != ("channels", 1)}


@dataclass(frozen=True, eq=False)
class ArchiveIndex:
    """The entries to classify, in the archive's order.

    passed_over: number of the other entries, with the folders. skipped: the files among them, by the reason's code.
    source: the file or folder of this server's disk that is read in place of an archive on the volume. In a folder's
    entries, `offset` is the file's inode and `end` the time of its last change.
    """

    kind: Kind
    passed_over: int = 0
    entries: NDArray[np.void] = field(default_factory=lambda: np.empty(0, ENTRY))  # (N,) of ENTRY; empty for an array
    names: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))  # UTF-8, concatenated
    array: ImageArray | None = None
    skipped: Skipped = field(default_factory=dict)
    source: PinnedFile | None = None

    def __len__(self) -> int:
        return self.array.count if self.array else len(self.entries)

    @property
    def image_shape(self) -> Shape | None:
        """The shape of each image, (H, W) or (H, W, 3), if the archive is an array of images; None for files."""
        return self.array.image_shape if self.array else None

    def paths(self, start: int, stop: int) -> list[str]:
        """Return the names of the entries `start` to `stop` (exclusive); for an array, the indices as text."""
        if self.array:
            return [str(index) for index in range(start, min(stop, len(self)))]
        rows = self.entries[start:stop]
        names = self.names.data
        ends = rows["name"] + rows["name_length"]
        return [str(names[a:b], "utf-8") for a, b in zip(rows["name"].tolist(), ends.tolist(), strict=True)]

    def shards(self, images: int, nbytes: int) -> list[tuple[int, int]]:
        """Cut the entries into runs (start, stop), in their order.

        Each run has at most `images` entries and `nbytes` unpacked bytes; a larger entry is a run of its own. The same
        index and limits give the same runs.
        """
        return list(self._runs(images, nbytes))

    def _runs(self, images: int, nbytes: int) -> Iterator[tuple[int, int]]:
        if self.array:
            step = max(1, min(images, nbytes // self.array.image_bytes))
            yield from ((start, min(start + step, len(self))) for start in range(0, len(self), step))
            return
        ends = np.cumsum(self.entries["size"])  # (N,) unpacked bytes up to and including each entry
        start = before = 0
        while start < len(ends):
            fitting = int(np.searchsorted(ends, before + nbytes, "right"))
            stop = min(max(fitting, start + 1), start + images, len(ends))
            yield start, stop
            start, before = stop, int(ends[stop - 1])

    def save(self, folder: Path) -> None:
        """Write the index into `folder`, durably."""
        description = {
            "kind": self.kind,
            "passed_over": self.passed_over,
            "array": self.array and self.array.description(),
            "skipped": self.skipped,
        }
        if self.source is not None:
            description["source"] = self.source.as_json()
        with durable.replacing(folder / FILE) as file:
            for part in (self.entries, self.names, np.frombuffer(json.dumps(description).encode(), np.uint8)):
                npy.write_array(file, part, version=(1, 0), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Map the index that `save` wrote into `folder`.

        Raises `Damaged` if the file is not what `save` writes, and FileNotFoundError if it does not exist.
        """
        path = folder / FILE
        try:
            with path.open("rb") as file:
                entries, names, description = (_mapped(file, path) for _ in range(3))
            values = json.loads(description.tobytes())
            array = ImageArray(**values["array"]) if values["array"] else None
            skipped = values.get("skipped", {})  # an older version did not write it
            source = PinnedFile(**values["source"]) if "source" in values else None
            return cls(Kind(values["kind"]), values["passed_over"], entries, names, array, skipped, source)
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged("plan_damaged", f"the index of the archive cannot be read: {error}") from error


def _mapped(file: IO[bytes], path: Path) -> NDArray[Any]:
    """Map the array that starts at the position of `file`; moves `file` to the array's end."""
    npy.read_magic(file)
    shape, _, dtype = npy.read_array_header_1_0(file)
    offset = file.tell()
    if 0 in shape:  # an empty range cannot be mapped
        return np.empty(shape, dtype)
    array = np.memmap(path, dtype, "r", offset, shape)
    file.seek(offset + array.nbytes)
    return array
