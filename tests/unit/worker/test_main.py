"""`python -m worker`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.programs.processes import ROOT


@pytest.mark.parametrize("arguments", [[], ["cooking"], ["training", "inference"]])
def test_wrong_arguments_print_the_usage(arguments: list[str]) -> None:
    worker = subprocess.run(
        [sys.executable, "-m", "worker", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert worker.returncode != 0
    assert "usage: python -m worker training|inference" in worker.stderr
