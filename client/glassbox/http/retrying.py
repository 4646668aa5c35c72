"""When to try again, and after how long: a bounded number of times, with growing, jittered pauses."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

TRANSIENT = frozenset({429, 502, 503, 504})
"""Statuses that say that it may go better later. Nothing was done then."""


@dataclass(frozen=True)
class Retries:
    """How often a request that may be repeated is tried, and how long it may take in all. Times are seconds."""

    attempts: int = 4
    first_pause: float = 0.2
    longest_pause: float = 5.0
    within: float = 30.0
    """Of all pauses together; a server that asks for a longer one is not waited for."""

    source: random.Random = field(default_factory=random.Random, repr=False, compare=False)

    def pause(self, failures: int, waited: float, asked_for: float | None = None) -> float | None:
        """How long to wait after so many failures; None where it is time to give up.

        asked_for: what the server wants (`Retry-After`). waited: the pauses so far.
        """
        if failures >= self.attempts:
            return None
        pause: float = min(self.first_pause * 2 ** (failures - 1), self.longest_pause)
        pause *= self.source.uniform(0.5, 1.0)  # so that many clients do not come back together
        pause = max(pause, asked_for or 0.0)
        return None if waited + pause > self.within else pause


NEVER = Retries(attempts=1)
