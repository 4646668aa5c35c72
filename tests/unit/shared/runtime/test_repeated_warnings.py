"""Warnings of faults that last."""

from __future__ import annotations

import logging

import pytest
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import OutOfMemoryError

from shared.runtime.redis_faults import RepeatedWarnings

FULL = OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")
AWAY = NoConnection("Connection refused")


@pytest.fixture
def warnings() -> RepeatedWarnings:
    return RepeatedWarnings(logging.getLogger("test"))


def test_the_same_fault_is_logged_once_a_minute(
    warnings: RepeatedWarnings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for second in range(0, 130, 5):
        monkeypatch.setattr("shared.runtime.redis_faults.time.monotonic", lambda second=second: float(second))
        warnings.warn("reading", FULL)

    assert [record.getMessage().split(";")[0] for record in caplog.records] == ["reading: Redis is full"] * 3


def test_another_fault_and_another_operation_are_logged_at_once(
    warnings: RepeatedWarnings, caplog: pytest.LogCaptureFixture
) -> None:
    for what, error in (("reading", FULL), ("reading", AWAY), ("writing", FULL), ("reading", FULL), ("reading", AWAY)):
        warnings.warn(what, error)

    assert len(caplog.records) == 3
