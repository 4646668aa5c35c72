"""The program as a container runs it: the backup uses the standard streams, and messages go to standard error."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.programs.processes import ROOT
from tests.unit.worker.backup.conftest import Deployment


def run(deployment: Deployment, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {
        **os.environ,
        "GLASSBOX_REDIS_URL": deployment.settings.redis_url,
        "GLASSBOX_VOLUME": str(deployment.settings.volume),
    }
    command = [sys.executable, "-m", "worker.backup", *arguments]
    return subprocess.run(command, input=given, env=environment, cwd=ROOT, capture_output=True, check=False)


def test_saved_backup_can_be_verified_and_restored(here: Deployment, there: Deployment) -> None:
    job = here.run(here.a_training(), here.training())

    saved = run(here, "save")
    verified = run(there, "verify", "--empty", given=saved.stdout)
    restored = run(there, "restore", given=saved.stdout)

    assert (saved.returncode, verified.returncode, restored.returncode) == (0, 0, 0), restored.stderr
    assert b"is whole" in verified.stderr
    assert b"1 jobs; 0 of them resume" in restored.stderr
    assert there.jobs.get(job.id).result == job.result


def test_refusal_is_one_line_with_the_reason(here: Deployment) -> None:
    here.run(here.a_training(), here.training())
    saved = run(here, "save").stdout

    for arguments, given, reason in (
        (["verify", "--empty"], saved, b"FORCE=1"),
        (["restore"], saved, b"FORCE=1"),
        (["verify"], saved[:5000], b"the backup"),
        (["restore", "--force"], b"hello", b"not a backup of Glassbox"),
    ):
        done = run(here, *arguments, given=given)
        assert done.returncode == 1
        assert done.stderr.startswith(b"glassbox: ")
        assert reason in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [[], ["restore", "--all"], ["verify", "--force"], ["backup"]])
def test_wrong_arguments_print_the_usage(here: Deployment, arguments: list[str]) -> None:
    done = run(here, *arguments)

    assert done.returncode == 1
    assert done.stderr.startswith(b"usage: ")
