"""The webhook dispatcher: takes the deliveries that are due, sends each, and retries failed ones with backoff.

Only 2xx is success. A receiver that responds with 410 gets no deliveries for a day. Any number of dispatchers may run.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from http import HTTPStatus
from threading import Event

from redis import RedisError

from shared.addresses import Target
from shared.errors import StorageFull
from shared.jobs.files import JobFiles
from shared.json_types import JsonObject
from shared.runtime.redis_faults import RepeatedWarnings, explained
from shared.runtime.settings import Settings
from shared.webhooks.outbox import Delivery, Outbox
from worker.webhooks.delivery import Refused, Unreachable, post
from worker.webhooks.message import message
from worker.webhooks.signing import signed_headers

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
AT_ONCE = 8  # concurrent deliveries of one dispatcher: a slow receiver must not delay the others
RESOLVE_SECONDS = 60.0  # more than a system's resolver takes
GROWTH = 3.0  # each wait is the previous one times this factor
LONGEST_WAIT_SECONDS = 6 * 3600.0


@dataclass(frozen=True)
class DeliveryOutcome:
    """The outcome of one try. `final`: no other try follows, even after a failure."""

    outcome: str
    detail: str
    status: int | None = None
    final: bool = False

    def event(self, tries: int) -> JsonObject:
        """Return the data of the event in the job's log."""
        return {"outcome": self.outcome, "try": tries, "status": self.status, "detail": self.detail}


class Dispatcher:
    """Sends webhook deliveries until it is stopped."""

    def __init__(self, outbox: Outbox, files: JobFiles, secrets: list[bytes], settings: Settings) -> None:
        self._outbox = outbox
        self._files = files
        self._secrets = secrets
        self._settings = settings
        self._lease_seconds = settings.webhook_timeout + RESOLVE_SECONDS
        self._warnings = RepeatedWarnings(log)

    def run(self, stop: Event, each_time: Callable[[], None] = lambda: None) -> None:
        """Send the deliveries that are due until `stop` is set, then wait for those in progress.

        Calls `each_time` before each query of the outbox: about every second.
        """
        busy: set[Future[None]] = set()
        with ThreadPoolExecutor(AT_ONCE, "delivery") as pool:
            while not stop.is_set():
                each_time()
                taken = self._take(AT_ONCE - len(busy))
                busy |= {pool.submit(self.deliver, delivery) for delivery in taken}
                if len(busy) == AT_ONCE:
                    wait(busy, LOOK_SECONDS, FIRST_COMPLETED)
                else:
                    stop.wait(LOOK_SECONDS)
                busy = {delivery for delivery in busy if not delivery.done()}

    def deliver(self, delivery: Delivery) -> None:
        """Try once and record the outcome; if recording fails, the delivery is due again when its lease expires."""
        try:
            outcome = self._attempt(delivery)
        except Exception:
            log.exception("delivery %s: internal error", delivery.id)
            outcome = DeliveryOutcome("failed", "internal error; see the log of the service `courier`")
        try:
            self._record(delivery, outcome)
        except (RedisError, OSError, StorageFull) as error:
            reason = explained(error) if isinstance(error, RedisError) else error
            log.warning("delivery %s: %s, but could not record it: %s", delivery.id, outcome.outcome, reason)

    def _take(self, limit: int) -> list[Delivery]:
        try:
            return self._outbox.take(limit, self._lease_seconds) if limit else []
        except RedisError as error:
            self._warnings.warn("could not read the deliveries that are due", error)
            return []

    def _attempt(self, delivery: Delivery) -> DeliveryOutcome:
        url = delivery.job.webhook
        assert url is not None
        if self._outbox.is_gone(url):
            return DeliveryOutcome("gone", "not sent: the receiver responded with 410 in the last 24 hours", final=True)
        body = message(delivery)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "glassbox",
            **signed_headers(self._secrets, delivery.id, int(time.time()), body),
        }
        settings = self._settings
        try:
            target = Target.parse(url)
            status = post(target, headers, body, settings.webhook_timeout, allow_private=settings.webhook_allow_private)
        except (Refused, ValueError) as error:
            return DeliveryOutcome("refused", str(error), final=True)
        except Unreachable as error:
            return DeliveryOutcome("failed", str(error))
        if 200 <= status < 300:
            return DeliveryOutcome("delivered", f"status {status}", status, final=True)
        if status == HTTPStatus.GONE:
            self._outbox.mark_gone(url)
            return DeliveryOutcome("gone", "status 410: this receiver gets nothing for 24 hours", status, final=True)
        hint = "; redirects are not followed" if 300 <= status < 400 else ""
        return DeliveryOutcome("failed", f"status {status}{hint}", status)

    def _record(self, delivery: Delivery, outcome: DeliveryOutcome) -> None:
        tries = delivery.tries + 1
        log.info("delivery %s, try %d: %s: %s", delivery.id, tries, outcome.outcome, outcome.detail)
        if outcome.final or tries >= self._settings.webhook_tries:
            self._files.settle(delivery.job, delivery.id)
            self._outbox.settle(delivery, outcome.event(tries) | {"next_try_seconds": None})
        else:
            pause = backoff(tries, self._settings.webhook_retry_seconds)
            self._outbox.postpone(delivery, pause, outcome.event(tries) | {"next_try_seconds": round(pause, 1)})


def backoff(tries: int, first: float) -> float:
    """Return the seconds to wait after so many tries: three times the previous wait, with jitter."""
    seconds = min(first * GROWTH ** min(tries - 1, 30), LONGEST_WAIT_SECONDS)
    return random.uniform(0.5, 1.0) * seconds  # noqa: S311 - no secret
