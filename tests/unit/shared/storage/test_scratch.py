"""A temporary folder that is removed with its process, however the process ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from shared.storage.scratch import scratch_folder
from tests.support.programs.processes import ROOT

MAKE = (
    "import pathlib, sys; from shared.storage.scratch import scratch_folder;"
    " print(scratch_folder(pathlib.Path('{}'), 'test-'))"
)


def run(script: str) -> Path:
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    return Path(done.stdout.strip())


def test_a_scratch_folder_is_removed_when_its_process_ends(tmp_path: Path) -> None:
    folder = run(MAKE.format(tmp_path))

    assert folder.parent == tmp_path
    assert not folder.exists()


def test_the_folder_of_a_killed_process_is_removed_by_the_next_process(tmp_path: Path) -> None:
    left = run(MAKE.format(tmp_path) + "; sys.stdout.flush(); import os; os.kill(os.getpid(), 9)")
    assert left.exists()

    own = scratch_folder(tmp_path, "test-")

    assert own.exists()
    assert not left.exists()


def test_the_folder_of_a_running_process_is_kept(tmp_path: Path) -> None:
    first = scratch_folder(tmp_path, "test-")
    run(MAKE.format(tmp_path))

    assert first.exists()
