"""The courier: takes the notices that are due and delivers each, or tries again later, ever more seldom.

Only 2xx is success. A receiver that answers 410 is told nothing more for a day. Any number of couriers may run.
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
from shared.runtime.redis_faults import explained
from shared.runtime.settings import Settings
from shared.webhooks.outbox import Delivery, Outbox
from worker.webhooks.delivery import Refused, Unreachable, post
from worker.webhooks.message import message
from worker.webhooks.signing import signed_headers

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
AT_ONCE = 8  # deliveries of one courier at the same time: a slow receiver holds up no other
RESOLVE_SECONDS = 60.0  # the longest that a system's resolver may take, generously
GROWTH = 3.0  # each wait is so many times the one before
LONGEST_WAIT_SECONDS = 6 * 3600.0


@dataclass(frozen=True)
class DeliveryOutcome:
    """What came of one try. `final`: whether no other is to follow, even where it failed."""

    outcome: str
    detail: str
    status: int | None = None
    final: bool = False

    def event(self, tries: int) -> JsonObject:
        """What the job's log says of it."""
        return {"outcome": self.outcome, "try": tries, "status": self.status, "detail": self.detail}


class Dispatcher:
    """Delivers notices until it is told to stop."""

    def __init__(self, outbox: Outbox, files: JobFiles, secrets: list[bytes], settings: Settings) -> None:
        self._outbox = outbox
        self._files = files
        self._secrets = secrets
        self._settings = settings
        self._lease_seconds = settings.webhook_timeout + RESOLVE_SECONDS

    def run(self, stop: Event, each_time: Callable[[], None] = lambda: None) -> None:
        """Deliver what is due until `stop` is set, then wait for the deliveries in progress.

        Calls `each_time` before it looks for what is due: about every second.
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
        """Try once, and write down what came of it; where that fails, the notice is due again by itself."""
        try:
            outcome = self._attempt(delivery)
        except Exception:
            log.exception("notice %s: a fault of ours", delivery.id)
            outcome = DeliveryOutcome("failed", "a fault of ours; the courier's log has more")
        try:
            self._write_down(delivery, outcome)
        except (RedisError, OSError, StorageFull) as error:
            log.warning("notice %s: %s, but that is not written down: %s", delivery.id, outcome.outcome, error)

    def _take(self, limit: int) -> list[Delivery]:
        try:
            return self._outbox.take(limit, self._lease_seconds) if limit else []
        except RedisError as error:
            log.warning("no notices: %s", explained(error))
            return []

    def _attempt(self, delivery: Delivery) -> DeliveryOutcome:
        url = delivery.job.webhook
        assert url is not None
        if self._outbox.is_gone(url):
            return DeliveryOutcome("gone", "its receiver answered 410 lately, and is left alone for a day", final=True)
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
            return DeliveryOutcome("delivered", f"answered {status}", status, final=True)
        if status == HTTPStatus.GONE:
            self._outbox.mark_gone(url)
            return DeliveryOutcome("gone", "answered 410: it is told nothing more for a day", status, final=True)
        hint = ", and redirects are not followed" if 300 <= status < 400 else ""
        return DeliveryOutcome("failed", f"answered {status}{hint}", status)

    def _write_down(self, delivery: Delivery, outcome: DeliveryOutcome) -> None:
        tries = delivery.tries + 1
        log.info("notice %s, try %d: %s: %s", delivery.id, tries, outcome.outcome, outcome.detail)
        if outcome.final or tries >= self._settings.webhook_tries:
            self._files.settle(delivery.job, delivery.id)
            self._outbox.settle(delivery, outcome.event(tries) | {"next_try_seconds": None})
        else:
            pause = backoff(tries, self._settings.webhook_retry_seconds)
            self._outbox.postpone(delivery, pause, outcome.event(tries) | {"next_try_seconds": round(pause, 1)})


def backoff(tries: int, first: float) -> float:
    """The wait after so many tries: three times the one before, with jitter, so that not all come at once."""
    seconds = min(first * GROWTH ** min(tries - 1, 30), LONGEST_WAIT_SECONDS)
    return random.uniform(0.5, 1.0) * seconds  # noqa: S311 - no secret
