"""The file that shows a worker's presence to its container's health check."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.running.presence_file import VALID_SECONDS, PresenceFile


def uptime() -> float:
    return float(Path("/proc/uptime").read_text().split()[0])


def test_the_file_holds_the_uptime_until_which_the_worker_is_present(tmp_path: Path) -> None:
    before = uptime()
    PresenceFile(tmp_path / "present").renew()

    until = int((tmp_path / "present").read_text())
    assert int(before + VALID_SECONDS) <= until <= uptime() + VALID_SECONDS


def test_renewal_extends_the_presence(tmp_path: Path) -> None:
    file = PresenceFile(tmp_path / "present")
    (tmp_path / "present").write_text("7\n")
    file.renew()

    assert int((tmp_path / "present").read_text()) > 7
    assert [path.name for path in tmp_path.iterdir()] == ["present"]


def test_without_a_path_nothing_is_written(tmp_path: Path) -> None:
    PresenceFile(None).renew()

    assert list(tmp_path.iterdir()) == []


def test_a_write_error_is_logged_and_does_not_stop_the_worker(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    PresenceFile(tmp_path / "no-such-folder" / "present").renew()

    assert "could not write the health check's file" in caplog.text
    assert "present: No such file or directory" in caplog.text


def test_a_health_check_detects_a_hanging_worker_within_half_a_minute() -> None:
    between_tests = 8  # pause_seconds in services/healthcheck.sh
    assert VALID_SECONDS + between_tests + 1 < 30
