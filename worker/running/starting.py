"""The wait at a worker's start until Redis accepts writes: before that, Celery's consumer cannot declare its queue."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress

from redis import RedisError

from shared.jobs import JobStore
from shared.runtime.redis_faults import OTHER, explained, fault_of

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


def wait_until_redis_accepts_changes(jobs: JobStore, renew_presence: Callable[[], None]) -> None:
    """Return when Redis accepts writes, or if it does not respond: Celery itself waits for a connection.

    Keeps the worker's presence renewed meanwhile, if Redis allows.
    """
    logged = ""
    while True:
        try:
            jobs.check_writable()
        except RedisError as error:
            fault = fault_of(error)
            if fault is OTHER or not fault.refuses:
                return
            if fault.code != logged:
                logged = fault.code
                log.warning("the worker waits: %s", explained(error))
        else:
            return
        with suppress(RedisError):  # the error is already logged
            renew_presence()
        time.sleep(LOOK_SECONDS)
