"""Execution of a documentation page's examples: in the page's order, in one folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.programs.processes import ROOT

COMMAND = f'glassbox() {{ "{sys.executable}" -m glassbox "$@"; }}\n'


def run_snippets(page: Path, folder: Path, url: str) -> list[str]:
    """Run each block of bash as a program, and all blocks of Python together as one; return their output.

    A block that fails fails the test.
    """
    blocks = re.findall(r"^```(bash|python)\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    programs = [["bash", "-euo", "pipefail", "-c", COMMAND + text] for kind, text in blocks if kind == "bash"]
    python = "".join(text for kind, text in blocks if kind == "python")
    programs.append([sys.executable, "-W", "error", "-c", python])
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "client"),
        "GLASSBOX_URL": url,
        "HOME": str(folder),
        "NO_PROXY": "*",
        "ORT_DISABLE_TELEMETRY": "1",
    }
    printed = []
    for program in programs:
        ran = subprocess.run(
            program, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert ran.returncode == 0, f"{program[-1]}\n{ran.stdout}{ran.stderr}"
        printed.append(ran.stdout)
    return printed
