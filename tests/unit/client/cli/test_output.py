"""Tables and facts that commands print."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout

import pytest
from glassbox.cli.output import print_facts, print_table

ANSI = re.compile(r"\x1b\[[0-9;]*m")
HOSTILE = "\x1b[2J[red]x[/]\x07"


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


KINDS = pytest.mark.parametrize("kind", [io.StringIO, Terminal], ids=["pipe", "terminal"])


@KINDS
def test_a_table_shows_each_row(kind: type[io.StringIO]) -> None:
    with redirect_stdout(kind()) as out:
        print_table(("name", "size>"), [("a", 1), ("b", None)], "nothing")

    lines = ANSI.sub("", out.getvalue()).splitlines()
    assert [line.split() for line in lines] == [["name", "size"], ["a", "1"], ["b"]]


@KINDS
def test_tables_and_facts_have_no_control_sequences_of_the_server(kind: type[io.StringIO]) -> None:
    with redirect_stdout(kind()) as out:
        print_table(("name",), [(HOSTILE,)], "nothing")
        print_facts([("label", HOSTILE)])

    assert "\x1b[2J" not in out.getvalue()
    assert "\x07" not in out.getvalue()
    assert out.getvalue().count("[red]x[/]") == 2
