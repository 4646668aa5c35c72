"""Times in the API's format."""

from __future__ import annotations

import time
from datetime import datetime

from shared.runtime import clock


def test_a_time_is_in_utc_with_milliseconds() -> None:
    assert clock.rfc3339(1_769_860_800_123) == "2026-01-31T12:00:00.123Z"


def test_a_whole_second_has_milliseconds() -> None:
    assert clock.rfc3339(0) == "1970-01-01T00:00:00.000Z"


def test_times_as_texts_sort_by_time() -> None:
    moments = [0, 999, 1000, 86_400_000, 1_769_860_800_123]

    assert sorted(map(clock.rfc3339, moments)) == [clock.rfc3339(moment) for moment in moments]


def test_now_is_this_hosts_time() -> None:
    before = time.time()
    now = datetime.fromisoformat(clock.now()).timestamp()

    assert before - 0.001 <= now <= time.time()
