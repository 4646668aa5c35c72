"""A batch's rows as a streamed `.npz`: `paths`, `labels`, `probabilities` and `classes`.

The shards are read once per array, so that memory never holds a whole array. The shards' headers give the arrays'
lengths, or with a filter their columns. NumPy pads every text of an array to the longest. If a path is long, the paths
are `path_bytes`, their UTF-8 one after the other, and `path_ends`, in its place: 100,000 rows with one path of 4,096
characters would unpack to 1.6 GB.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from shared.results.chosen_rows import ChosenRows
from shared.results.formats.outgoing import Outgoing
from shared.results.lines import Row, parsed_rows

LONGEST = 255
"""Characters of the longest path in an array of texts, of which each then takes at most 1 KB."""


@dataclass(frozen=True)
class Column:
    """One array: its name, dtype, shape per row, and the function that extracts a row's part."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    of: Callable[[Row], Any]


def as_npz(rows: ChosenRows, classes: Sequence[str], top_k: int) -> Iterator[bytes]:
    """Yield the archive's bytes, one block of rows at a time.

    paths: strings (N,). labels: class indices (N, k). probabilities: float32 (N, k). Both list the most probable class
    first. classes: class names by index. If a path is longer than `LONGEST`, `path_bytes` (uint8) and `path_ends` (N,)
    replace `paths`: path i is the UTF-8 of the bytes from end i - 1 to end i.
    """
    count, longest = rows.count(), rows.longest_path()
    index = {name: number for number, name in enumerate(classes)}
    columns = [
        *([] if longest > LONGEST else [Column("paths", np.dtype(("<U", max(1, longest))), (), itemgetter("path"))]),
        Column("labels", np.dtype("<i8"), (top_k,), lambda row: [index[best["label"]] for best in row["top"]]),
        Column("probabilities", np.dtype("<f4"), (top_k,), lambda row: [best["probability"] for best in row["top"]]),
    ]
    outgoing = Outgoing()
    with zipfile.ZipFile(outgoing, "w") as archive:
        if longest > LONGEST:
            yield from _long_paths(archive, outgoing, rows, count)
        for column in columns:
            with _member(archive, column.name) as member:
                shape = (count, *column.shape)
                description = {"descr": column.dtype.str, "fortran_order": False, "shape": shape}
                npy.write_array_header_1_0(member, description)
                for block in rows.blocks():
                    values = [column.of(row) for row in parsed_rows(block)]
                    member.write(np.array(values, column.dtype).tobytes())
                    yield outgoing.take()
        with _member(archive, "classes") as member:
            npy.write_array(member, np.array(classes), allow_pickle=False)
    yield outgoing.take()


def _long_paths(archive: zipfile.ZipFile, outgoing: Outgoing, rows: ChosenRows, count: int) -> Iterator[bytes]:
    """Write `path_ends`, then `path_bytes`, whose length is the last end."""
    end = 0
    with _member(archive, "path_ends") as member:
        npy.write_array_header_1_0(member, {"descr": "<i8", "fortran_order": False, "shape": (count,)})
        for block in rows.blocks():
            lengths = [len(row["path"].encode()) for row in parsed_rows(block)]
            ends = end + np.cumsum(lengths, dtype="<i8")
            member.write(ends.tobytes())
            end += sum(lengths)
            yield outgoing.take()
    with _member(archive, "path_bytes") as member:
        npy.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": (end,)})
        for block in rows.blocks():
            member.write("".join(row["path"] for row in parsed_rows(block)).encode())
            yield outgoing.take()


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """Open a new array in the archive. Paths are compressed, as they are padded or have folders in common."""
    info = zipfile.ZipInfo(f"{name}.npy")
    info.compress_type = zipfile.ZIP_DEFLATED if name.startswith("path") else zipfile.ZIP_STORED
    return archive.open(info, "w", force_zip64=True)
