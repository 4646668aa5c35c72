"""Each kind of error has its exit status, and ends in one line."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from glassbox import errors, jobs
from glassbox.cli import exits


def refused(status: int, code: str = "some_code") -> errors.Refused:
    return errors.refusal({"status": status, "code": code, "detail": "what happened"}, "request-1")


A_JOB = cast("Any", SimpleNamespace(id="j", state="failed", error=SimpleNamespace(code="c", detail="it broke")))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (jobs.JobFailed(A_JOB), 1),
        (errors.WrongArgument("x"), 2),
        (errors.SettingsError("x"), 2),
        (errors.NotReachable("x"), 3),
        (errors.UnexpectedAnswer("x"), 3),
        (refused(401), 4),
        (refused(403), 4),
        (refused(404), 5),
        *[(refused(status), 6) for status in (400, 409, 411, 412, 413, 415, 422, 501)],
        *[(refused(status), 7) for status in (429, 500, 503, 507)],
        (errors.StillRunning("x"), 7),
        (errors.LocalFileError("x"), 8),
        (errors.DownloadDamaged("x"), 8),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_an_error_has_its_status(error: errors.GlassboxError, status: int) -> None:
    assert exits.status_of(error) == status
    assert status in exits.CODES


def test_an_error_is_one_line_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    exits.report(refused(404, "model_not_found"))
    line = "glassbox: what happened; `glassbox models list` shows the models\n"
    assert capsys.readouterr().err == line


def test_a_folder_without_a_slash_is_named_with_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pets").mkdir()
    monkeypatch.chdir(tmp_path)
    detail = "the data set 'pets' does not exist; upload it to /v1/datasets"
    error = errors.refusal({"status": 404, "code": "dataset_not_found", "detail": detail}, "request-1")
    exits.report(error, cast("Any", SimpleNamespace(params={"dataset": "pets"})))
    assert capsys.readouterr().err == (
        "glassbox: the data set 'pets' does not exist; to upload the folder pets that is here, write pets/\n"
    )


def test_a_detail_on_several_lines_becomes_one(capsys: pytest.CaptureFixture[str]) -> None:
    exits.report(errors.LocalFileError("one\n  two"))
    assert capsys.readouterr().err == "glassbox: one two\n"


def test_a_program_gets_the_error_as_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["glassbox", "jobs", "list", "--json"])
    exits.report(refused(404, "model_not_found"))
    printed = json.loads(capsys.readouterr().err)
    assert printed == {"error": {"status": 5, "code": "model_not_found", "detail": "what happened"}}
