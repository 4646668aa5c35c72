"""The index of an archive: the offset, size and name of each entry, in a file of which workers read parts.

It is built once, when the archive is uploaded, so that no worker parses and validates the archive again.
"""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from shared.archives.indexing.stored import OpenFile, ScratchFile, StoredArray
from shared.errors import Damaged
from shared.images.shapes import Shape, shape_with
from shared.json_types import Skipped
from shared.storage import durable
from shared.storage.sources.local import PinnedFile
from shared.storage.sources.stored import PinnedObject

FILE = "plan"
RUN = 8192  # rows that are read at once
LONGEST_HEADER = 2**17  # that can precede the data of an entry
Source = PinnedFile | PinnedObject
SOURCES: dict[type[Source], str] = {PinnedFile: "source", PinnedObject: "object"}  # their names in the file

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
    OBJECTS = "objects"  # below a prefix of a store, which are read in place
    SEVERAL = "several"  # archives, each of another kind


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
class Cut:
    """The first entry of each shard, ascending (S,), and the limits of shards by which it was computed."""

    images: int
    nbytes: int
    starts: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ArchiveIndex:
    """The entries to classify, in the archive's order.

    entries and names: arrays, or files of which parts are read; a file that was not saved is removed with the index.
    passed_over: number of the other entries, with the folders. skipped: the files among them, by the reason's code.
    skipped_in: folders of skipped links and hidden images, with the name of one; it is not saved.
    source: what is read in place of an archive on the volume: a file or folder of this server's disk, or an object or
    a prefix of a store. In a folder's entries, `offset` is the file's inode and `end` the time of its last change; in a
    prefix's entries, `raw` is the object's ETag.
    """

    kind: Kind
    passed_over: int = 0
    entries: NDArray[np.void] | StoredArray = field(default_factory=lambda: np.empty(0, ENTRY))  # (N,) of ENTRY
    names: NDArray[np.uint8] | StoredArray = field(default_factory=lambda: np.empty(0, np.uint8))  # UTF-8, concatenated
    array: ImageArray | None = None
    skipped: Skipped = field(default_factory=dict)
    source: Source | None = None
    cut: Cut | None = None
    skipped_in: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.array.count if self.array else len(self.entries)

    @property
    def image_shape(self) -> Shape | None:
        """The shape of each image, (H, W) or (H, W, 3), if the archive is an array of images; None for files."""
        return self.array.image_shape if self.array else None

    def shape_of(self, index: int) -> Shape | None:  # noqa: ARG002 - of several archives, the shapes may differ
        """Return the shape of one image if its archive is an array of images; None for a file."""
        return self.image_shape

    def paths(self, start: int, stop: int) -> list[str]:
        """Return the names of the entries `start` to `stop` (exclusive); for an array, the indices as text."""
        if self.array:
            return [str(index) for index in range(start, min(stop, len(self)))]
        rows = self.entries[start:stop]
        if not len(rows):
            return []
        ends = rows["name"] + rows["name_length"]
        first = int(rows["name"].min())
        names = self.names[first : int(ends.max())].tobytes()  # the names are in the order of the entries
        starts, stops = (rows["name"] - first).tolist(), (ends - first).tolist()
        return [str(names[a:b], "utf-8") for a, b in zip(starts, stops, strict=True)]

    def entry(self, index: int) -> Entry:
        """Return one entry."""
        return Entry._make(self.entries[index : index + 1].tolist()[0])

    def spans(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return the ranges of the archive that hold the entries `start` to `stop` (exclusive), in ascending order.

        Returns none if the entries have another order in the archive: one cannot read them in one pass.
        """
        rows = self.entries[start:stop]
        if (rows["offset"][1:] < rows["offset"][:-1]).any():
            return []
        ends = np.minimum(rows["end"], rows["offset"] + rows["packed"] + LONGEST_HEADER)
        return list(zip(rows["offset"].tolist(), ends.tolist(), strict=True))

    def shards(self, images: int, nbytes: int) -> list[tuple[int, int]]:
        """Cut the entries into runs (start, stop), in their order.

        Each run has at most `images` entries and `nbytes` unpacked bytes; a larger entry is a run of its own. The same
        index and limits give the same runs.
        """
        if self.cut is not None and (self.cut.images, self.cut.nbytes) == (images, nbytes):
            starts = self.cut.starts.tolist()
            return list(zip(starts, [*starts[1:], len(self)], strict=True))
        return list(self._runs(images, nbytes))

    def with_shards(self, images: int, nbytes: int) -> Self:
        """Return the index with its shards, so that a worker does not have to read all entries to compute them."""
        starts = np.fromiter((start for start, _ in self._runs(images, nbytes)), np.int64)
        return replace(self, cut=Cut(images, nbytes, starts))

    def _runs(self, images: int, nbytes: int) -> Iterator[tuple[int, int]]:
        if self.array:
            step = max(1, min(images, nbytes // self.array.image_bytes))
            yield from ((start, min(start + step, len(self))) for start in range(0, len(self), step))
            return
        count, start = len(self.entries), 0
        sizes, first = np.empty(0, np.int64), 0  # of the entries from `first` on
        while start < count:
            most = min(images, count - start)
            if start + most > first + len(sizes):
                sizes, first = self.entries[start : start + max(most, RUN)]["size"].copy(), start
            ends = np.cumsum(sizes[start - first : start - first + most])  # unpacked bytes up to and including each
            stop = start + max(1, int(np.searchsorted(ends, nbytes, "right")))
            yield start, stop
            start = stop

    def save(self, folder: Path) -> None:
        """Write the index into `folder`, durably."""
        file, path = getattr(self.entries, "file", None), folder / FILE
        if isinstance(file, ScratchFile) and file.is_temporary:
            _append(file, self._description())
            try:
                file.move(path)
            except OSError as error:
                if error.errno != errno.EXDEV:  # another file system: copy it
                    raise
            else:
                return
        with durable.replacing(path) as target:
            for stored in (self.entries, self.names):
                target.write(array_header(stored.dtype, len(stored)))
                for start in range(0, len(stored), durable.BLOCK):
                    target.write(stored[start : start + durable.BLOCK].data)
            for part in self._description():
                npy.write_array(target, part, version=(1, 0), allow_pickle=False)

    def discard(self) -> None:
        """Remove the file of an index that is not needed any more, unless it was saved."""
        file = getattr(self.entries, "file", None)
        if isinstance(file, ScratchFile):
            file.discard()

    def _description(self) -> list[NDArray[Any]]:
        """Return the arrays after the entries and names: the other fields as JSON, and the first entries of shards."""
        description: dict[str, Any] = {
            "kind": self.kind,
            "passed_over": self.passed_over,
            "array": self.array and self.array.description(),
            "skipped": self.skipped,
        }
        if self.source is not None:
            description[SOURCES[type(self.source)]] = self.source.as_json()
        if self.cut is not None:
            description["shards"] = [self.cut.images, self.cut.nbytes]
        content: NDArray[Any] = np.frombuffer(json.dumps(description).encode(), np.uint8)
        return [content] if self.cut is None else [content, self.cut.starts]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open the index that `save` wrote into `folder`.

        Raises `Damaged` if the file is not what `save` writes, and FileNotFoundError if it does not exist.
        """
        path = folder / FILE
        try:
            opened = OpenFile(path)
            with path.open("rb") as file:
                entries, names, description = (_stored(file, opened) for _ in range(3))
                values = json.loads(description[:].tobytes())
                cut = None
                if "shards" in values:
                    images, nbytes = values["shards"]
                    cut = Cut(images, nbytes, _stored(file, opened)[:])
            array = ImageArray(**values["array"]) if values["array"] else None
            skipped = values.get("skipped", {})  # an older version did not write it
            source = next((kind(**values[name]) for kind, name in SOURCES.items() if name in values), None)
            return cls(Kind(values["kind"]), values["passed_over"], entries, names, array, skipped, source, cut)
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged("plan_damaged", f"the index of the archive cannot be read: {error}") from error


def array_header(dtype: np.dtype[Any], count: int) -> bytes:
    """Return the header of a `.npy` of an array (count,). NumPy gives all counts a header of the same length."""
    header = io.BytesIO()
    values = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": (count,)}
    npy.write_array_header_1_0(header, values)
    return header.getvalue()


def _append(file: ScratchFile, arrays: list[NDArray[Any]]) -> None:
    for array in arrays:
        file.append(array_header(array.dtype, len(array)))
        file.append(array)


def _stored(file: IO[bytes], opened: OpenFile) -> StoredArray:
    """Return the array that starts at the position of `file`; moves `file` to the array's end."""
    npy.read_magic(file)
    (count,), _, dtype = npy.read_array_header_1_0(file)
    array = StoredArray(opened, file.tell(), count, dtype)
    end = file.tell() + count * dtype.itemsize
    if end > file.seek(0, os.SEEK_END):
        raise ValueError("it is cut short")
    file.seek(end)
    return array
