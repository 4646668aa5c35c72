"""What commands print on standard output: tables and lines for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any


def print_json(value: Any) -> None:
    """A value of the client's as one JSON document."""
    print(json.dumps(plain(value), ensure_ascii=False, indent=2))


def plain(value: Any) -> Any:
    """The JSON that a value was made from."""
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
    """A table; columns whose names end with `>` are of numbers. Without rows `empty` is printed.

    In a pipe it is plain text: a header and a line for each row, columns by tabs.
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
    """A line for each fact that there is."""
    known = [(name, value) for name, value in facts if value not in (None, "", {}, [], ())]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        print(f"{name:<{width}}  {printable(str(value))}")


def printable(text: str) -> str:
    """A text of the server's without what a terminal would obey."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def share(value: Any) -> str:
    """A share as a percentage."""
    return f"{value:.2%}" if isinstance(value, int | float) else ""


def moment(time: str | None) -> str:
    """A moment of the API in this machine's time."""
    from datetime import datetime  # noqa: PLC0415

    return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S") if time else ""
