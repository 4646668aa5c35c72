"""A batch's rows and errors as CSV (RFC 4180).

A row's columns are path, label and confidence, then the other top classes; an error's are path, code and detail.

Spreadsheets execute cells that begin like a formula, and paths and labels come from users. Such a text gets an
apostrophe in front, and so does a text that begins with an apostrophe: a program that removes one leading apostrophe
has the exact text. The other formats have exact texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from shared.results.chosen_rows import ChosenRows
from shared.results.lines import Row, parsed_errors, parsed_rows
from shared.results.shard import error_blocks

ERROR_COLUMNS = ["path", "code", "detail"]

INVISIBLE = r"\s\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
"""White space, and the control and format characters that programs may drop when they read a file."""
SIGNS = r"=+\-@\u2212\u207a-\u207c\u208a-\u208c\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20"
"""OWASP's list, with the forms that Unicode's compatibility normalization (NFKC) maps to it, and the minus sign."""
FORMULA = re.compile(rf"[{INVISIBLE}]*['{SIGNS}\t\r\n]")
"""The beginning of a text that gets an apostrophe."""

QUOTED = re.compile(r'[",;\t\r\n]')


def columns(top_k: int) -> list[str]:
    """Return the names of the columns."""
    further = [f"{name}_{rank}" for rank in range(2, top_k + 1) for name in ("label", "confidence")]
    return ["path", "label", "confidence", *further]


def flat(row: Row) -> list[Any]:
    """Return a row's values in the order of the columns."""
    if len(row["top"]) == 1:  # the usual number, without a generator
        best = row["top"][0]
        return [row["path"], best["label"], best["probability"]]
    return [row["path"], *(value for best in row["top"] for value in (best["label"], best["probability"]))]


def as_csv(rows: ChosenRows, top_k: int) -> Iterator[bytes]:
    """Yield the header, then the rows of one block at a time."""
    yield _lines([columns(top_k)])
    for block in rows.blocks():
        yield _lines(map(flat, parsed_rows(block)))


def errors_as_csv(shards: Iterable[Path]) -> Iterator[bytes]:
    """Yield the header, then the errors of one block at a time."""
    yield _lines([ERROR_COLUMNS])
    for path in shards:
        for block in error_blocks(path):
            yield _lines([error["path"], error["code"], error["detail"]] for error in parsed_errors(block))


def _lines(rows: Iterable[list[Any]]) -> bytes:
    return "".join(",".join(map(_cell, row)) + "\r\n" for row in rows).encode()


def _cell(value: Any) -> str:
    """Return a value as it is written: in quotation marks also if it has the separator of another country's CSV."""
    if not isinstance(value, str):
        return str(value)
    text = f"'{value}" if FORMULA.match(value) else value
    return '"{}"'.format(text.replace('"', '""')) if QUOTED.search(text) else text
