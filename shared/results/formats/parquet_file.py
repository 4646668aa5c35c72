"""The Parquet file format, limited to a table of required columns of texts and of float32.

Source: Apache Parquet, "File Format", "Encodings" and `parquet.thrift`. A file has the data of one row group after the
other, and ends with a footer that says where each column's data are. A column of a row group has one page of data. Of
texts that repeat, it is the texts' indices, packed with as few bits as they need, after a page with the distinct texts.
Pages are compressed with Zstandard. The same rows give the same bytes.
"""

from __future__ import annotations

import struct as packing
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from shared.results.formats import thrift
from shared.results.formats.thrift import Value, array, i32, i64, struct, text

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Kind = Literal["text", "repeated text", "float"]
MAGIC = b"PAR1"
TYPES = {"text": 6, "repeated text": 6, "float": 4}  # BYTE_ARRAY, FLOAT
PLAIN, RLE, DICTIONARY = 0, 3, 8  # encodings
DATA_PAGE, DICTIONARY_PAGE = 0, 2
ZSTD = 6
REQUIRED = 0
UTF8 = 0
LEVEL = 1  # of the compression: higher ones take much longer than the rest of the encoding
CREATED_BY = "Glassbox version 1"


@dataclass(frozen=True)
class Column:
    """A column of the table: its name and what its values are."""

    name: str
    kind: Kind


class ParquetFile:
    """The parts of one file: `head`, then each `group`, then `end`."""

    head = MAGIC

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._groups: list[Value] = []
        self._rows = 0
        self._offset = len(MAGIC)

    def group(self, values: Sequence[Sequence[Any]]) -> bytes:
        """Return the bytes of a row group with these values by column; each column has the same number of them."""
        pages: list[bytes] = []
        chunks: list[Value] = []
        start, rows = self._offset, len(values[0])
        raw = 0  # bytes before the compression
        for column, content in zip(self._columns, values, strict=True):
            chunk, size = self._chunk(column, content, pages)
            chunks.append(chunk)
            raw += size
        self._rows += rows
        self._groups.append(
            struct({1: array(chunks), 2: i64(raw), 3: i64(rows), 5: i64(start), 6: i64(self._offset - start)})
        )
        return b"".join(pages)

    def end(self) -> bytes:
        """Return the footer."""
        root = struct({4: text("rows"), 5: i32(len(self._columns))})
        schema = array([root, *map(_element, self._columns)])
        groups = array(self._groups) if self._groups else Value(thrift.LIST, bytes([thrift.STRUCT]))
        footer = struct({1: i32(1), 2: schema, 3: i64(self._rows), 4: groups, 6: text(CREATED_BY)}).content
        return footer + packing.pack("<I", len(footer)) + MAGIC

    def _chunk(self, column: Column, values: Sequence[Any], pages: list[bytes]) -> tuple[Value, int]:
        """Append a column's pages; return its description and its bytes before the compression."""
        start, raw, dictionary = self._offset, 0, None
        if column.kind == "repeated text":
            distinct = {value: index for index, value in enumerate(dict.fromkeys(values))}
            dictionary = self._offset
            raw += self._page(pages, DICTIONARY_PAGE, _texts(list(distinct)), len(distinct), PLAIN)
            content, encoding = _packed([distinct[value] for value in values], len(distinct)), DICTIONARY
        elif column.kind == "text":
            content, encoding = _texts(values), PLAIN
        else:
            content, encoding = np.array(values, "<f4").tobytes(), PLAIN
        data = self._offset
        raw += self._page(pages, DATA_PAGE, content, len(values), encoding)
        encodings = [PLAIN, RLE] if dictionary is None else [PLAIN, RLE, DICTIONARY]
        fields = {
            1: i32(TYPES[column.kind]),
            2: array([i32(each) for each in encodings]),
            3: array([text(column.name)]),
            4: i32(ZSTD),
            5: i64(len(values)),
            6: i64(raw),
            7: i64(self._offset - start),
            9: i64(data),
        }
        if dictionary is not None:
            fields[11] = i64(dictionary)
        return struct({2: i64(start), 3: struct(fields)}), raw

    def _page(self, pages: list[bytes], kind: int, content: bytes, count: int, encoding: int) -> int:
        """Append a page with its header; return their bytes before the compression."""
        compressed = zstd.compress(content, level=LEVEL)
        fields = {1: i32(kind), 2: i32(len(content)), 3: i32(len(compressed))}
        if kind == DICTIONARY_PAGE:
            fields[7] = struct({1: i32(count), 2: i32(encoding)})
        else:  # the levels of required columns take no bytes
            fields[5] = struct({1: i32(count), 2: i32(encoding), 3: i32(RLE), 4: i32(RLE)})
        header = struct(fields).content
        pages += [header, compressed]
        self._offset += len(header) + len(compressed)
        return len(header) + len(content)


def _element(column: Column) -> Value:
    """Return a column's element of the schema."""
    fields = {1: i32(TYPES[column.kind]), 3: i32(REQUIRED), 4: text(column.name)}
    if column.kind != "float":
        fields |= {6: i32(UTF8), 10: struct({1: struct({})})}
    return struct(fields)


def _texts(values: Sequence[str]) -> bytes:
    """Return the texts in the encoding PLAIN: each one's length in bytes, then its UTF-8."""
    encoded = [value.encode() for value in values]
    lengths = np.array([len(each) for each in encoded], "<u4").tobytes()
    return b"".join(
        part for number, each in enumerate(encoded) for part in (lengths[4 * number : 4 * number + 4], each)
    )


def _packed(indices: Sequence[int], distinct: int) -> bytes:
    """Return the bit width, then the indices as one run of packed bits, padded to a multiple of eight indices."""
    width = max(1, (distinct - 1).bit_length())
    groups = -(-len(indices) // 8)
    padded = np.zeros(8 * groups, np.uint32)
    padded[: len(indices)] = indices
    bits = (padded[:, np.newaxis] >> np.arange(width, dtype=np.uint32) & 1).astype(np.uint8)  # (8 groups, width)
    return bytes([width]) + thrift.varint(groups << 1 | 1) + np.packbits(bits, bitorder="little").tobytes()
