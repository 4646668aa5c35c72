"""`python -m worker.webhooks`: runs the webhook dispatcher until SIGTERM or Ctrl-C, without NumPy and without jobs."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from threading import Event
from types import FrameType

from redis import RedisError

from shared.jobs.files import JobFiles
from shared.jobs.task_queue import DISPATCHER, PRESENCE_SECONDS, Presence, connect
from shared.runtime import logs
from shared.runtime.redis_faults import RepeatedWarnings, explained
from shared.runtime.settings import SecretError, SettingsError, load_settings
from shared.storage.volume import Volume
from shared.webhooks.outbox import Outbox
from worker.running.presence_file import PresenceFile
from worker.webhooks.dispatcher import Dispatcher
from worker.webhooks.signing import load_secrets

log = logging.getLogger(__name__)


def main() -> None:
    """Run the webhook dispatcher until SIGTERM or Ctrl-C."""
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.exit(f"glassbox: {error}")
    logs.configure(settings)
    stop = Event()

    def request_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, request_stop)
    volume = Volume(settings.volume)
    try:
        secrets = load_secrets(settings, volume)
        redis = connect(settings)
    except SecretError as error:
        sys.exit(f"glassbox: {error}")
    presence = RegularPresence(Presence(redis, _name(), DISPATCHER, 1), PresenceFile(settings.presence_file))
    log.info("the webhook dispatcher is ready")
    Dispatcher(Outbox(redis), JobFiles(volume), secrets, settings).run(stop, presence.renew_when_due)
    presence.withdraw()


class RegularPresence:
    """The dispatcher's presence, renewed by its own loop: it expires if the loop hangs."""

    def __init__(self, presence: Presence, file: PresenceFile) -> None:
        self._presence = presence
        self._file = file
        self._due = 0.0  # by the monotonic clock
        self._warnings = RepeatedWarnings(log)

    def renew_when_due(self) -> None:
        """Renew the presence if it is due; after an error, try again when it is next due."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + PRESENCE_SECONDS / 3
        try:
            self._presence.renew()
            self._file.renew()
        except RedisError as error:
            self._warnings.warn("could not renew this dispatcher's presence", error)

    def withdraw(self) -> None:
        """Remove the dispatcher's presence."""
        try:
            self._presence.withdraw()
        except RedisError as error:
            log.warning("could not withdraw this dispatcher's presence: %s", explained(error))


def _name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


if __name__ == "__main__":
    main()
