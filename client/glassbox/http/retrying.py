"""Retries with exponential backoff and jitter, bounded in number and time."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

TRANSIENT = frozenset({429, 502, 503, 504})
"""Statuses of transient errors: the server did not handle the request."""


@dataclass(frozen=True)
class Retries:
    """Limits on the retries of a request. Times are in seconds."""

    attempts: int = 4
    first_pause: float = 0.2
    longest_pause: float = 5.0
    within: float = 30.0
    """Limit on the sum of all pauses; a longer `Retry-After` ends the retries."""

    source: random.Random = field(default_factory=random.Random, repr=False, compare=False)

    def pause(self, failures: int, waited: float, retry_after: float | None = None) -> float | None:
        """Return the pause after this number of failures, or None if the retries end.

        waited: the sum of the pauses so far. retry_after: the server's `Retry-After`.
        """
        if failures >= self.attempts:
            return None
        pause: float = min(self.first_pause * 2 ** (failures - 1), self.longest_pause)
        pause *= self.source.uniform(0.5, 1.0)  # jitter, so that clients do not retry together
        pause = max(pause, retry_after or 0.0)
        return None if waited + pause > self.within else pause


NEVER = Retries(attempts=1)
