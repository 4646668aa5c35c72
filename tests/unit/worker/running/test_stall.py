"""The detection of work that hangs."""

from __future__ import annotations

from itertools import accumulate

from worker.running.stall import StallWatch


def stalled(*pauses: float) -> list[float]:
    """Return what the beats after these pauses measure, without a step."""
    watch = StallWatch(longest_beat_seconds=20.0, now=100.0)
    return [watch.beat(now) for now in list(accumulate(pauses, initial=100.0))[1:]]


def test_the_time_without_a_step_adds_up() -> None:
    assert stalled(10.0, 10.0, 5.0) == [10.0, 20.0, 25.0]


def test_a_step_starts_the_time_again() -> None:
    watch = StallWatch(20.0, 100.0)
    watch.beat(110.0)
    watch.step()

    assert [watch.beat(120.0), watch.beat(125.0)] == [0.0, 5.0]


def test_the_time_in_which_the_process_was_suspended_does_not_count() -> None:
    assert stalled(10.0, 86_400.0, 10.0) == [10.0, 30.0, 40.0]
