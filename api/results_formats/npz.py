"""A batch's rows as a streamed `.npz`: `paths`, `labels`, `probabilities` and `classes`.

The shards are read once per array, so that memory never holds a whole array. The shards' headers give the array
lengths.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from api.results_formats.outgoing import Outgoing
from shared.results.lines import Row, parsed_rows
from shared.results.shard import read_header, read_shard


@dataclass(frozen=True)
class Column:
    """One array: its name, dtype, shape per row, and the function that extracts a row's part."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    of: Callable[[Row], Any]


def as_npz(shards: Sequence[Path], classes: Sequence[str], top_k: int) -> Iterator[bytes]:
    """Yield the archive's bytes, one shard at a time.

    paths: strings (N,). labels: class indices (N, k). probabilities: float32 (N, k). Both list the most probable class
    first. classes: class names by index.
    """
    headers = [read_header(path) for path in shards]
    count = sum(header.rows for header in headers)
    longest = max((header.longest_path for header in headers), default=0)
    index = {name: number for number, name in enumerate(classes)}
    columns = [
        Column("paths", np.dtype(("<U", max(1, longest))), (), lambda row: row["path"]),
        Column("labels", np.dtype("<i8"), (top_k,), lambda row: [index[best["label"]] for best in row["top"]]),
        Column("probabilities", np.dtype("<f4"), (top_k,), lambda row: [best["probability"] for best in row["top"]]),
    ]
    outgoing = Outgoing()
    with zipfile.ZipFile(outgoing, "w") as archive:
        for column in columns:
            with _member(archive, column.name) as member:
                shape = (count, *column.shape)
                description = {"descr": column.dtype.str, "fortran_order": False, "shape": shape}
                npy.write_array_header_1_0(member, description)
                for path in shards:
                    rows = parsed_rows(read_shard(path).rows)
                    member.write(np.array([column.of(row) for row in rows], column.dtype).tobytes())
                    yield outgoing.take()
        with _member(archive, "classes") as member:
            npy.write_array(member, np.array(classes), allow_pickle=False)
    yield outgoing.take()


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """Open a new array in the archive. `paths` is compressed, because NumPy pads every string to the longest."""
    info = zipfile.ZipInfo(f"{name}.npy")
    info.compress_type = zipfile.ZIP_DEFLATED if name == "paths" else zipfile.ZIP_STORED
    return archive.open(info, "w", force_zip64=True)
