"""What a process may take."""

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


def said_by(work: str, *arguments: str) -> str:
    """What a process of its own prints that may allocate 256 MiB."""
    command = [sys.executable, "-c", A_PROCESS.format(work=work), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_what_asks_for_too_much_memory_raises_and_the_process_goes_on() -> None:
    work = f"""
try:
    np.ones({512 * MiB}, np.uint8)
except MemoryError:
    print(np.ones({64 * MiB}, np.uint8).size)
"""
    assert said_by(work) == str(64 * MiB)


def test_the_network_has_the_memory_that_it_computes_in() -> None:
    assert said_by("X = np.ones((1024, 784), np.float32); print((X @ X.T)[0, 0])") == "784.0"


def test_a_large_file_may_be_mapped(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(1024 * MiB)

    assert said_by("print(np.memmap(sys.argv[1], np.uint8, 'r')[-1])", str(large)) == "0"
