"""The detection of work that hangs: for how long it has reported no step, while this process ran."""

from __future__ import annotations


class StallWatch:
    """Adds up the time without a step, beat by beat; the time in which the process was suspended does not count.

    longest_beat_seconds: the most that counts between two beats. If more has passed, this process or its whole machine
    was suspended, or Redis did not respond.
    """

    def __init__(self, longest_beat_seconds: float, now: float) -> None:
        self._longest_beat_seconds = longest_beat_seconds
        self._beat_at = now
        self._steps = self._steps_seen = 0
        self._stalled_seconds = 0.0

    def step(self) -> None:
        """Count a step of the work; called from the work's thread, often."""
        self._steps += 1

    def beat(self, now: float) -> float:
        """Return for how many seconds no step has been counted; called from the heartbeat's thread."""
        elapsed, self._beat_at = now - self._beat_at, now
        steps = self._steps
        if steps != self._steps_seen:
            self._steps_seen, self._stalled_seconds = steps, 0.0
        else:
            self._stalled_seconds += min(elapsed, self._longest_beat_seconds)
        return self._stalled_seconds
