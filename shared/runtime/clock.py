"""Times as the API writes them: RFC 3339 in UTC with a `Z`, to the millisecond."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def rfc3339(milliseconds: int) -> str:
    """A time in milliseconds since 1970, for example `2026-01-31T12:00:00.000Z`; such texts sort by time."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now() -> str:
    """This moment by this host's clock. Only for what no decision hangs on: jobs go by Redis's clock."""
    return rfc3339(time.time_ns() // 1_000_000)
