"""A message with a limit from the settings names the variable that sets it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.runtime.settings import Settings

ROOT = Path(__file__).parents[4]
LIMITS = {field for field in Settings.model_fields if field.startswith(("max_", "client_"))}
COUNTS = {"max_tries"}  # the message says what happened so often, not that a request is over a limit


def texts_with_limits(tree: ast.AST) -> Iterator[tuple[ast.JoinedStr, str]]:
    """Yield each f-string that shows a limit, and the limit's field."""
    for text in (node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)):
        shown = (node for part in text.values if isinstance(part, ast.FormattedValue) for node in ast.walk(part))
        for node in shown:
            if isinstance(node, ast.Attribute) and node.attr in LIMITS - COUNTS:
                yield text, node.attr


def constants(text: ast.JoinedStr) -> str:
    return "".join(str(part.value) for part in text.values if isinstance(part, ast.Constant))


@pytest.mark.parametrize("folder", ["api", "shared", "worker"])
def test_a_message_that_shows_a_limit_names_its_variable(folder: str) -> None:
    found = 0
    for path in (ROOT / folder).rglob("*.py"):
        for text, field in texts_with_limits(ast.parse(path.read_text())):
            found += 1
            assert f"GLASSBOX_{field.upper()}" in constants(text), f"{path}:{text.lineno}"
    assert found or folder == "worker"
