"""Times in the API's format: RFC 3339 in UTC with a `Z` and milliseconds."""

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
