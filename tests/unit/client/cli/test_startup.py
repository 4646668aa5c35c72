"""Help and version are quick: they import neither an HTTP library nor rich."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[4] / "client"
COMMANDS = ["train", "classify", "predict", "explain", "jobs", "models", "datasets", "doctor", "serve"]
SLOW = {"httpx", "rich", "pydantic", "pygments", "asyncio"}


def run(*arguments: str, program: str = "-mglassbox") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(CLIENT), "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, program, *arguments], capture_output=True, text=True, env=environment, check=False, timeout=60
    )


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *[[command, "--help"] for command in COMMANDS]])
def test_help_imports_nothing_that_is_slow(arguments: list[str]) -> None:
    code = (
        "import sys; from glassbox.cli import main\n"
        f"try: sys.argv = ['glassbox', *{arguments!r}]; main()\n"
        f"finally: print(sorted({SLOW!r} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = run(program=f"-c{code}")
    assert done.returncode == 0
    assert done.stderr.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_examples(command: str) -> None:
    _, found, examples = run(command, "--help").stdout.partition("Examples:\n")
    assert found
    assert command in examples


def test_help_lists_the_exit_statuses() -> None:
    assert "3  the server does not answer" in run("--help").stdout


def test_wrong_usage_is_reported_with_its_exit_status() -> None:
    done = run("train", "mnist")
    assert done.returncode == 2
    assert "--model" in done.stderr
