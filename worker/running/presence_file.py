"""The file by which a container's health check sees that its worker is present in Redis (services/healthcheck.sh).

It holds the time until which the worker counts as present, in whole seconds since the host's start: `/proc/uptime`,
which no change of the clock moves and which a shell reads without starting a process.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from shared.jobs.task_queue import PRESENCE_SECONDS

log = logging.getLogger(__name__)

# Less than the presence in Redis itself: the check must notice a worker that hangs within 30 s.
VALID_SECONDS = PRESENCE_SECONDS / 3 + 8.0


class PresenceFile:
    """The file at `path`; without a path, nothing is written."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def renew(self) -> None:
        """Let the worker count as present for another `VALID_SECONDS`; call it when Redis has its presence.

        An error is logged, and the health check fails for it: the worker goes on.
        """
        if self._path is None:
            return
        until = int(time.clock_gettime(time.CLOCK_BOOTTIME) + VALID_SECONDS)
        beside = self._path.with_name(self._path.name + ".new")
        try:
            beside.write_text(f"{until}\n")
            beside.replace(self._path)
        except OSError as error:
            log.warning("the health check's file %s cannot be written: %s", self._path, error.strerror)
