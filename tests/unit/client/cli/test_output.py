"""Tables and facts that commands print."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout
from types import SimpleNamespace
from typing import Any, cast

import pytest
from glassbox.cli.display.bar import Bar
from glassbox.cli.exits import say
from glassbox.cli.output import PrintableOutput, print_facts, print_json, print_line, print_table
from glassbox.cli.transfer import _bar

ANSI = re.compile(r"\x1b\[[0-9;]*m")
ESCAPES = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
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


@pytest.mark.parametrize("text", ["\x1b[2Jx", "\x9b2Jx", "x\x07\x7f", "\u202ex\u2066", "x\u2028y\x85z", "x\r\ny"])
def test_no_line_of_the_command_has_control_sequences(text: str) -> None:
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        print_line(text)
        print_line(text, err=True)
        say(text)
        job = cast("Any", SimpleNamespace(progress=SimpleNamespace(total=1, unit="epochs"), state="queued"))
        Bar(job).note(text)
        progress = _bar(text)
        assert progress.tasks[0].description.isprintable()
        progress.stop()
        print_json({"path": text})

    *printed, document = out.getvalue().split("\n", 1)
    assert [
        line for line in (*printed, *err.getvalue().split("\n"), *document.split("\n")) if ESCAPES.search(line)
    ] == []
    assert json.loads(document) == {"path": text}


def test_rows_on_a_terminal_have_no_control_sequences_and_keep_their_lines() -> None:
    with redirect_stdout(io.StringIO()) as out:
        output = PrintableOutput(out)
        for block in (
            b"path,label\r\n\x1b[2Ja",
            "ü.png,7\r".encode()[:3],
            "ü.png,7\r".encode()[3:],
            b"\nb\xff.png,1\r\n",
        ):
            output.write(block)

    assert out.getvalue() == "path,label\n\ufffd[2Jaü.png,7\ufffd\nb\ufffd.png,1\n"
