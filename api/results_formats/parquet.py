"""A batch's rows as streamed Parquet. It needs the optional package `pyarrow`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from threading import Lock
from typing import Any

from api.results_formats.csv_rows import columns, flat
from api.results_formats.outgoing import Outgoing
from shared.errors import NotInstalled
from shared.results.chosen_rows import ChosenRows
from shared.results.lines import parsed_rows

GROUP_ROWS = 65_536  # the most rows of a row group; large groups make the file small and fast to read
GROUP_VALUES = 131_072  # the most labels and probabilities of a row group, which are Python objects in memory

one_group = Lock()
"""Held while a row group is built, so that the objects of one are in memory at a time: about 60 MiB."""


def as_parquet(chosen: ChosenRows, top_k: int) -> Iterator[bytes]:
    """Return the file's bytes, one row group at a time, with the CSV's columns. Raises `NotInstalled` at once."""
    try:
        import pyarrow  # noqa: PLC0415 - an optional extra
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        detail = (
            "this server cannot write Parquet, because pyarrow is not installed: install requirements/parquet.txt"
            " on the server, or request the format jsonl, csv or npz"
        )
        raise NotInstalled("parquet_not_installed", detail) from error
    text = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    kinds = {"path": pyarrow.string(), "label": text, "confidence": pyarrow.float32()}
    schema = pyarrow.schema([(name, kinds[name.split("_")[0]]) for name in columns(top_k)])

    def chunks() -> Iterator[bytes]:
        outgoing = Outgoing()
        with parquet.ParquetWriter(outgoing, schema) as writer:
            groups = _groups(chosen, top_k)
            while True:
                with one_group:
                    if (rows := next(groups, None)) is None:
                        break
                    arrays = [pyarrow.array(values, field.type) for values, field in zip(rows, schema, strict=True)]
                    writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
                    del rows, arrays  # while the client reads the bytes, another download has the memory
                yield outgoing.take()
        yield outgoing.take()

    return chunks()


def _groups(chosen: ChosenRows, top_k: int) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows' values by column, `GROUP_ROWS` rows at a time, or fewer if they have many classes."""
    rows = (flat(row) for block in chosen.blocks() for row in parsed_rows(block))
    size = min(GROUP_ROWS, max(1, GROUP_VALUES // (2 * top_k)))
    while group := list(islice(rows, size)):
        yield list(zip(*group, strict=True))
