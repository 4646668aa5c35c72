"""Times in the API's format, RFC 3339 in UTC with a `Z` and milliseconds, and the clock for the age of a lease."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def rfc3339(milliseconds: int) -> str:
    """Format milliseconds since 1970, for example as `2026-01-31T12:00:00.000Z`; such texts sort by time."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now() -> str:
    """Return the current time by this host's clock. It is only for display: leases and timeouts use Redis's clock."""
    return rfc3339(time.time_ns() // 1_000_000)


def since_boot() -> float:
    """Return the seconds since this host's boot, with the time in which it was suspended.

    `time.monotonic` stands still during that time, but Redis may run on another host, where leases expire meanwhile.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)
