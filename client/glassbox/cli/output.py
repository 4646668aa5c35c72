"""Standard output of the commands: tables and lines for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from codecs import getincrementaldecoder
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TextIO


def print_json(value: Any) -> None:
    """Print a value of the client as one JSON document, without control sequences for the terminal."""
    text = json.dumps(plain(value), ensure_ascii=False, indent=2)
    print("\n".join(map(_escaped, text.split("\n"))))


def print_line(text: str, *, err: bool = False) -> None:
    """Print a line with texts of the server or names of files, without control sequences for the terminal."""
    print(printable(text), file=sys.stderr if err else sys.stdout)


def _escaped(line: str) -> str:
    """Escape in JSON what is not printable; all of it is in strings."""
    if line.isprintable():
        return line
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in line)


def plain(value: Any) -> Any:
    """Return a value as plain JSON types; private fields are omitted."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value) if not f.name.startswith("_")}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(part) for name, part in value._asdict().items()}
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str) -> None:
    """Print a table, or `empty` if it has no rows. A `>` at the end of a column's name aligns it to the right.

    In a pipe the table is plain text: a header and a line for each row, with tabs between the columns.
    """
    texts = [["" if cell is None else printable(str(cell)) for cell in row] for row in rows]
    names = [column.removesuffix(">") for column in columns]
    if not sys.stdout.isatty():
        for line in [names, *texts]:
            print("\t".join(line))
        return
    from rich.console import Console  # noqa: PLC0415 - see the package's docstring
    from rich.table import Table  # noqa: PLC0415

    console = Console(highlight=False, markup=False)
    if not texts:
        console.print(empty, style="dim")
        return
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column, name in zip(columns, names, strict=True):
        table.add_column(name, justify="right" if column.endswith(">") else "left", overflow="fold")
    for row in texts:
        table.add_row(*row)
    console.print(table)


def print_facts(facts: Iterable[tuple[str, Any]]) -> None:
    """Print a line for each fact that has a value."""
    given = [(name, value) for name, value in facts if value not in (None, "", {}, [], ())]
    width = max((len(name) for name, _ in given), default=0)
    for name, value in given:
        print(f"{name:<{width}}  {printable(str(value))}")


def printable(text: str) -> str:
    """Return a text of the server without control sequences for the terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


class PrintableOutput:
    """A binary output whose content a terminal shows: lines of texts, without control sequences for the terminal."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._decoder = getincrementaldecoder("utf-8")("replace")

    def write(self, content: bytes) -> None:
        """Write the next bytes."""
        lines = self._decoder.decode(content).replace("\r\n", "\n").split("\n")
        self._output.write("\n".join(map(printable, lines)))


def share(value: Any) -> str:
    """Return a share as a percentage, or an empty text if it is not a number."""
    return f"{value:.2%}" if isinstance(value, int | float) else ""


def moment(time: str | None) -> str:
    """Return a time of the API in the local time zone."""
    from datetime import datetime  # noqa: PLC0415

    return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S") if time else ""
