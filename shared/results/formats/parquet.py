"""A batch's rows and errors as streamed Parquet, with the columns of the CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any

from shared.results.chosen_rows import ChosenRows
from shared.results.formats.csv_rows import ERROR_COLUMNS, columns, flat
from shared.results.formats.parquet_file import Column, Kind, ParquetFile
from shared.results.lines import parsed_errors, parsed_rows
from shared.results.shard import error_blocks

GROUP_ROWS = 65_536  # the most rows of a row group; large groups make the file small and fast to read
GROUP_VALUES = 131_072  # the most labels and probabilities of a row group, which are Python objects in memory
GROUP_CHARACTERS = 16 * 1024 * 1024  # the characters after which a row group ends: a path may have 4,096
CHECKED_ROWS = 1024  # whose characters are counted together

KINDS: dict[str, Kind] = {"path": "text", "label": "repeated text", "confidence": "float", "code": "repeated text"}

one_group = Lock()
"""Held while a row group is built, so that the objects of one are in memory at a time: about 60 MiB."""


def as_parquet(chosen: ChosenRows, top_k: int) -> Iterator[bytes]:
    """Yield the rows' file, one row group at a time."""
    rows = (flat(row) for block in chosen.blocks() for row in parsed_rows(block))
    return _file(columns(top_k), rows, min(GROUP_ROWS, max(1, GROUP_VALUES // (2 * top_k))))


def errors_as_parquet(shards: Iterable[Path]) -> Iterator[bytes]:
    """Yield the errors' file, one row group at a time."""
    errors = (
        [error["path"], error["code"], error["detail"]]
        for path in shards
        for block in error_blocks(path)
        for error in parsed_errors(block)
    )
    return _file(ERROR_COLUMNS, errors, GROUP_ROWS)


def _next_group(rows: Iterator[list[Any]], size: int) -> list[list[Any]]:
    """Return the next rows, at most `size`; fewer if their texts are long."""
    group: list[list[Any]] = []
    characters = 0
    while characters < GROUP_CHARACTERS and (more := list(islice(rows, min(CHECKED_ROWS, size - len(group))))):
        group += more
        characters += sum(len(value) for row in more for value in row if isinstance(value, str))
    return group


def _file(names: Sequence[str], rows: Iterator[list[Any]], size: int) -> Iterator[bytes]:
    """Yield a file with these columns, `size` rows in each row group."""
    file = ParquetFile([Column(name, KINDS.get(name.split("_")[0], "text")) for name in names])
    yield file.head
    while True:
        with one_group:
            group = _next_group(rows, size)
            content = file.group(list(zip(*group, strict=True))) if group else b""
            del group  # while the client reads the bytes, another download has the memory
        if not content:
            break
        yield content
    yield file.end()
