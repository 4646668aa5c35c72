"""Waits at a worker's start until Redis accepts changes: Celery's consumer cannot declare its queue before."""

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


def wait_until_redis_accepts_changes(jobs: JobStore, be_present: Callable[[], None]) -> None:
    """Return when Redis accepts changes, or does not answer: Celery itself waits for that.

    Keeps the worker online meanwhile, as far as Redis allows.
    """
    known = ""
    while True:
        try:
            jobs.check_writable()
        except RedisError as error:
            fault = fault_of(error)
            if fault is OTHER or not fault.refuses:
                return
            if fault.code != known:
                known = fault.code
                log.warning("the worker waits: %s", explained(error))
        else:
            return
        with suppress(RedisError):  # the log has it already
            be_present()
        time.sleep(LOOK_SECONDS)
