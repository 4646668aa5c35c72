"""Limits on a process's memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from shared.runtime.settings import MiB
from tests.support.programs.processes import ROOT

A_PROCESS = f"""
import sys
import numpy as np
from shared.runtime.processes import limit_memory

limit_memory({256 * MiB})
{{work}}
"""


def output_of(work: str, *arguments: str) -> str:
    """Run code in a process that may allocate 256 MiB, and return its output."""
    command = [sys.executable, "-c", A_PROCESS.format(work=work), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_a_process_continues_after_an_allocation_beyond_its_limit() -> None:
    work = f"""
try:
    np.ones({512 * MiB}, np.uint8)
except MemoryError:
    print(np.ones({64 * MiB}, np.uint8).size)
"""
    assert output_of(work) == str(64 * MiB)


def test_the_limit_leaves_memory_for_computation() -> None:
    assert output_of("X = np.ones((1024, 784), np.float32); print((X @ X.T)[0, 0])") == "784.0"


def test_a_file_larger_than_the_limit_can_be_mapped(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(1024 * MiB)

    assert output_of("print(np.memmap(sys.argv[1], np.uint8, 'r')[-1])", str(large)) == "0"
