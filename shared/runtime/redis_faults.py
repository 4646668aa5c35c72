"""The faults of Redis by the error that its client raises: the only module that maps Redis's errors to messages.

A rejected command is another fault than no answer: each fault has its own code and remedy.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

from redis import RedisError
from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    BusyLoadingError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)

PAUSE_SECONDS = 60.0  # between two equal warnings of a fault that lasts


@dataclass(frozen=True)
class RedisFault:
    """One kind of fault. `refuses`: Redis answers, but has not run the command. `retry_after` is in seconds."""

    code: str
    detail: str
    refuses: bool = True
    retry_after: int = 5


FULL = RedisFault(
    "redis_full",
    "Redis is full; raise its maxmemory (GLASSBOX_REDIS_MAXMEMORY under Compose) or delete ended jobs",
    retry_after=10,
)
DISK = RedisFault(
    "redis_disk_error",
    "Redis cannot write to its disk, so it accepts no change: free space on the disk that holds Redis's data",
    retry_after=10,
)
READ_ONLY = RedisFault(
    "redis_read_only", "Redis is a read-only replica: set GLASSBOX_REDIS_URL to the address of the primary"
)
REPLICAS = RedisFault("redis_replicas_missing", "Redis accepts no change because too few of its replicas are connected")
LOADING = RedisFault("redis_loading", "Redis is loading its data from disk; it accepts commands when that is done")
LOGIN = RedisFault(
    "redis_login_refused",
    "Redis refuses the login: the user or password in GLASSBOX_REDIS_URL or GLASSBOX_REDIS_PASSWORD_FILE is wrong",
)
PERMISSION = RedisFault("redis_permission_missing", "Redis's access list does not allow a command that Glassbox needs")
CLIENTS = RedisFault(
    "redis_too_many_clients", "Redis has as many connections as it allows: raise its maxclients or run fewer processes"
)
BUSY = RedisFault("redis_busy", "Redis is busy with a script that does not end", refuses=False, retry_after=2)
PRIMARY = RedisFault("redis_primary_missing", "Redis is a replica that has lost the connection to its primary")
SILENT = RedisFault("redis_unavailable", "Redis does not answer", refuses=False, retry_after=2)
OTHER = RedisFault("redis_refused", "Redis refuses a command")

FAULTS = (FULL, DISK, READ_ONLY, REPLICAS, LOADING, LOGIN, PERMISSION, CLIENTS, BUSY, PRIMARY, SILENT, OTHER)

CLASSES: tuple[tuple[type[RedisError], RedisFault], ...] = (
    (OutOfMemoryError, FULL),
    (ReadOnlyError, READ_ONLY),
    (BusyLoadingError, LOADING),
    (NoPermissionError, PERMISSION),
    (AuthenticationError, LOGIN),
    (AuthenticationWrongNumberOfArgsError, LOGIN),
    (MasterDownError, PRIMARY),
)
# The codes as Redis sends them. The client removes some of them. Redis before version 7 puts them into the middle of
# the text if the error occurred in a script.
TEXTS = (
    (r"\bOOM\b|command not allowed when used memory", FULL),
    (r"\bMISCONF\b", DISK),
    (r"\bREADONLY\b|write against a read only replica", READ_ONLY),
    (r"\bNOREPLICAS\b", REPLICAS),
    (r"\bLOADING\b|is loading the dataset", LOADING),
    (r"\b(NOAUTH|WRONGPASS)\b|invalid (username-)?password|Authentication required", LOGIN),
    (r"\bNOPERM\b", PERMISSION),
    (r"max number of clients", CLIENTS),
    (r"\bMASTERDOWN\b", PRIMARY),
    (r"^BUSY\b|busy running a script", BUSY),
)


def fault_of(error: BaseException) -> RedisFault:
    """Return the fault that caused an error of Redis's client or of the transport; `redis_unavailable` by default."""
    for cause in _causes(error):
        for kind, fault in CLASSES:
            if isinstance(cause, kind):
                return fault
        if isinstance(cause, RedisError):
            for pattern, fault in TEXTS:
                if re.search(pattern, str(cause)):
                    return fault
            if isinstance(cause, ResponseError):
                return OTHER
    return SILENT


def explained(error: BaseException) -> str:
    """Describe the fault for a log line, with the message of Redis or of the operating system."""
    return f"{fault_of(error).detail} ({error})"


class RepeatedWarnings:
    """The warnings of one operation that is tried again and again while Redis refuses it or does not answer."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._lock = Lock()
        self._logged: dict[tuple[str, str], float] = {}

    def warn(self, what: str, error: Exception) -> None:
        """Log what failed and why, unless the same fault of the same operation was logged within the last minute."""
        logged = (what, fault_of(error).code)
        now = time.monotonic()
        with self._lock:
            if now - self._logged.get(logged, -PAUSE_SECONDS) < PAUSE_SECONDS:
                return
            self._logged = {key: at for key, at in self._logged.items() if now - at < PAUSE_SECONDS}
            self._logged[logged] = now
        self._log.warning("%s: %s", what, explained(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Iterate over the error and its causes: the transport wraps Redis's errors in its own."""
    while error is not None:
        yield error
        error = error.__cause__
