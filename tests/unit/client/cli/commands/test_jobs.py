"""What `glassbox jobs show` prints about a job."""

from __future__ import annotations

from typing import Any

import pytest
from glassbox.cli.commands.jobs import print_job
from glassbox.http.reading import read
from glassbox.jobs import BatchResult, Job, JobProgress
from glassbox.records.skipped import SkippedFiles

RESULT: dict[str, Any] = {
    "model": "pets",
    "version": 1,
    "total": 3,
    "succeeded": 3,
    "failed": 0,
    "images_per_second": 1.0,
}
SKIPPED = {"side_file": {"count": 2, "names": ["LICENSE.txt", "README.md"]}}


def batch(**values: Any) -> Job:
    fields: dict[str, Any] = {
        "id": "01k8z4y6w9m3n5p7q1r2s4t6v8",
        "kind": "batch",
        "state": "queued",
        "created_at": "2026-01-31T12:00:00.000Z",
        "started_at": None,
        "finished_at": None,
        "attempt": 0,
        "progress": JobProgress(0, 3, "images", None),
        "metrics": {},
        "request": {},
        "result": None,
        "error": None,
        "links": {},
        "_jobs": None,
    }
    return Job(**(fields | values))


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (batch(), False),
        (batch(skipped={"side_file": SkippedFiles(2, ("LICENSE.txt", "README.md"))}), True),
        (batch(state="succeeded", result=read(BatchResult, RESULT | {"skipped": SKIPPED})), True),
        (batch(state="succeeded", result=read(BatchResult, RESULT)), False),
    ],
    ids=["queued, none", "queued", "finished", "finished, none"],
)
def test_skipped_files_of_a_batch_are_printed(job: Job, expected: bool, capsys: pytest.CaptureFixture[str]) -> None:
    print_job(job, as_json=False)

    printed = capsys.readouterr().out
    assert ("2 files: 1 .md, 1 .txt" in printed or "2 files: 1 .txt, 1 .md" in printed) == expected
    assert ("skipped" in printed) == expected
