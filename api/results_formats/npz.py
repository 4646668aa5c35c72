"""A batch's rows as an `.npz`, written while it is sent: `paths`, `labels`, `probabilities` and `classes`.

The shards are read once for each array, so that no array is ever held whole; how long they are the headers tell.
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
    """One array: its name, the type and shape of a row's part of it, and that part of a row."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    of: Callable[[Row], Any]


def as_npz(shards: Sequence[Path], classes: Sequence[str], top_k: int) -> Iterator[bytes]:
    """The archive's bytes, a shard's share at a time.

    paths: texts (N,). labels: indices of the classes (N, k), and probabilities: float32 (N, k), both the best first.
    classes: the names that the indices point to.
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
    """A new array of the archive; paths are packed, for they are four bytes a character and as wide as the longest."""
    info = zipfile.ZipInfo(f"{name}.npy")
    info.compress_type = zipfile.ZIP_DEFLATED if name == "paths" else zipfile.ZIP_STORED
    return archive.open(info, "w", force_zip64=True)
