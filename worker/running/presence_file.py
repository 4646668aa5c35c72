"""The file that shows a container's health check that its worker is present in Redis (services/healthcheck.sh).

It holds the time until which the worker counts as present, in whole seconds since the host's boot, as in
`/proc/uptime`: a change of the clock does not affect it, and a shell reads it without starting a process.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from shared.jobs.task_queue import PRESENCE_SECONDS

log = logging.getLogger(__name__)

# Shorter than the presence in Redis itself: the check must detect a hanging worker within 30 s.
VALID_SECONDS = PRESENCE_SECONDS / 3 + 8.0


class PresenceFile:
    """The file at `path`; without a path, nothing is written."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def renew(self) -> None:
        """Extend the worker's presence by `VALID_SECONDS`; call this after its presence in Redis was renewed.

        An error is logged; the health check then fails, but the worker continues.
        """
        if self._path is None:
            return
        until = int(time.clock_gettime(time.CLOCK_BOOTTIME) + VALID_SECONDS)
        new = self._path.with_name(self._path.name + ".new")
        try:
            new.write_text(f"{until}\n")
            new.replace(self._path)
        except OSError as error:
            log.warning("could not write the health check's file %s: %s", self._path, error.strerror)
