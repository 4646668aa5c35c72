"""A shard's results in one file: a header, the rows, then the errors, each a JSON line.

Both are in one file so that they always belong together: the file is written whole or not at all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from shared.errors import Damaged
from shared.json_types import JsonObject
from shared.results.columns import Columns, columns_of_lines

BLOCK = 1024 * 1024  # bytes of lines that are in memory at once while rows are read


@dataclass(frozen=True)
class Header:
    """The numbers of rows and errors of a shard, the rows' length in bytes, and their longest path in characters.

    look_inverted: the number of rows whose images look inverted against the training images. almost_black: of those
    whose images have no gray level above 1. Both are 0 in older releases.
    """

    rows: int
    errors: int
    rows_bytes: int
    longest_path: int
    look_inverted: int = 0
    almost_black: int = 0


@dataclass(frozen=True)
class Shard:
    """A shard's rows and errors: JSON lines in the archive's order."""

    header: Header
    rows: bytes
    errors: bytes
    columns: Columns | None = None

    @classmethod
    def of(
        cls,
        rows: Sequence[str],
        errors: Sequence[str],
        longest_path: int,
        look_inverted: int = 0,
        almost_black: int = 0,
        columns: Columns | None = None,
    ) -> Self:
        """Create a shard from these lines; each line ends with a newline. columns: of the rows."""
        content = "".join(rows).encode()
        header = Header(len(rows), len(errors), len(content), longest_path, look_inverted, almost_black)
        return cls(header, content, "".join(errors).encode(), columns)

    def parts(self) -> list[bytes]:
        """Return the content of the shard's file, in parts."""
        header: JsonObject = asdict(self.header)
        if self.columns is not None:
            header["columns"] = self.columns.as_json()
        return [json.dumps(header).encode() + b"\n", self.rows, self.errors]


def read_header(path: Path) -> Header:
    """Read only the header of a shard's file; raises `Damaged`."""
    with path.open("rb") as file:
        return _header(file.readline(), path)


def read_shard(path: Path) -> Shard:
    """Read a shard's file; raises `Damaged`."""
    with path.open("rb") as file:
        header = _header(file.readline(), path)
        return Shard(header, file.read(header.rows_bytes), file.read())


def read_columns(path: Path) -> tuple[Header, Columns]:
    """Read the header and the columns of a shard's file; raises `Damaged`.

    The files of older releases have no columns: they are computed from the rows, which takes longer.
    """
    with path.open("rb") as file:
        line = file.readline()
    header = _header(line, path)
    try:
        stored = json.loads(line).get("columns")
        if stored is not None:
            columns = Columns.from_json(stored)
        else:
            failed = () if header.errors == 0 else None
            errors = (line for block in error_blocks(path) for line in block.splitlines())
            columns = columns_of_lines(row_blocks(path), errors, failed)
    except (ValueError, TypeError, KeyError) as error:
        raise Damaged("shard_damaged", f"the results in {path.name} cannot be read: {error}") from error
    if not len(columns.label) == len(columns.confidence) == header.rows:
        raise Damaged("shard_damaged", f"{path.name} has {header.rows} rows, but columns of {len(columns.label)}")
    return header, columns


def row_blocks(path: Path) -> Iterator[bytes]:
    """Iterate over the rows of a shard's file in blocks of whole lines, of about `BLOCK` bytes; raises `Damaged`."""
    with path.open("rb") as file:
        yield from _lines(file, _header(file.readline(), path).rows_bytes)


class RowBlock(NamedTuple):
    """Whole lines of rows. first: the first row's number in the shard. offset: of the lines in the file.

    ends: the position of each line's newline in `content`, (n,).
    """

    first: int
    offset: int
    content: bytes
    ends: NDArray[np.int64]

    def span(self, line: int) -> tuple[int, int]:
        """Return the start and the end of a line in `content`, without its newline."""
        return int(self.ends[line - 1]) + 1 if line else 0, int(self.ends[line])


def located_rows(path: Path) -> Iterator[RowBlock]:
    """Iterate over the rows of a shard's file as `row_blocks` does, with the places of the lines."""
    with path.open("rb") as file:
        first, offset = 0, len(file.readline())
    for block in row_blocks(path):
        ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
        yield RowBlock(first, offset, block, ends)
        first, offset = first + len(ends), offset + len(block)


def error_blocks(path: Path) -> Iterator[bytes]:
    """Iterate over the errors of a shard's file in such blocks; raises `Damaged`."""
    with path.open("rb") as file:
        file.seek(_header(file.readline(), path).rows_bytes, os.SEEK_CUR)
        yield from _lines(file, os.fstat(file.fileno()).st_size - file.tell())


def _lines(file: IO[bytes], size: int) -> Iterator[bytes]:
    end = file.tell() + size
    while block := file.read(min(BLOCK, end - file.tell())):
        yield block + file.readline(end - file.tell())


def _header(line: bytes, path: Path) -> Header:
    try:
        known = json.loads(line)  # it may have more fields, from a newer version of the code
        return Header(**{field.name: known[field.name] for field in fields(Header) if field.name in known})
    except (ValueError, TypeError, KeyError) as error:
        raise Damaged("shard_damaged", f"the results in {path.name} cannot be read: {error}") from error
