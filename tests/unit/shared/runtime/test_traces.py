"""Traces are an extra: disabled by default; a missing package is reported before any process starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from shared.runtime.settings import Settings
from shared.runtime.traces import traces_of
from tests.support.programs.processes import ROOT


def test_traces_are_disabled_by_default_and_import_nothing(limits: Settings) -> None:
    assert traces_of("api", limits) is None
    script = (
        "import sys; from shared.runtime.settings import Settings; from shared.runtime.traces import traces_of;"
        "traces_of('api', Settings()); sys.exit('opentelemetry' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    "program", [["-m", "worker", "training"], ["-m", "gunicorn", "-c", "services/api/gunicorn.conf.py"]]
)
def test_a_program_without_the_extra_says_what_to_install(program: list[str], tmp_path: object) -> None:
    hide = "import sys; sys.modules['opentelemetry'] = None; import runpy; sys.argv = sys.argv[1:]"
    script = f"{hide}; runpy.run_module({program[1]!r}, run_name='__main__', alter_sys=True)"
    environment = {
        "GLASSBOX_TRACES": "1",
        "PYTHONPATH": str(ROOT),
        "PATH": "/usr/bin",
        "GLASSBOX_VOLUME": str(tmp_path),
    }

    done = subprocess.run(
        [sys.executable, "-c", script, *program[1:]],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode != 0
    assert "requirements/otel.txt" in done.stderr
