"""The webhook dispatcher: takes the deliveries that are due, sends each, and retries failed ones with backoff.

Only 2xx is success. A receiver that responds with 410 gets no deliveries for a day, one that responds with 429 or 503
none until the end of its `Retry-After`. Any number of dispatchers may run.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
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
from worker.webhooks.receivers import AT_ONCE, Receivers, receiver_of
from worker.webhooks.response import Response
from worker.webhooks.signing import signed_headers

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
SHORTEST_LOOK_SECONDS = 0.1  # between two queries of the outbox while deliveries end and others are due
EXAMINED = 10_000  # due deliveries of which the next are chosen; if more are due, the next query examines others
READ_AT_ONCE = 500  # deliveries whose receiver is not known yet, at each query
RESOLVE_SECONDS = 60.0  # more than a system's resolver takes
GROWTH = 3.0  # each wait is the previous one times this factor
LONGEST_WAIT_SECONDS = 6 * 3600.0
THROTTLED = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}  # all deliveries to this URL wait


@dataclass(frozen=True)
class DeliveryOutcome:
    """The outcome of one try. `final`: no other try follows, even after a failure.

    wait_seconds: the least time before the next try, because the receiver has asked for it.
    """

    outcome: str
    detail: str
    status: int | None = None
    final: bool = False
    wait_seconds: float = 0.0

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
        self._receivers = Receivers()
        self._receiver_of: dict[str, str] = {}  # of deliveries that were due
        self._examine_from = 0

    def run(self, stop: Event, each_time: Callable[[], None] = lambda: None) -> None:
        """Send the deliveries that are due until `stop` is set, then wait for those in progress.

        Calls `each_time` before each query of the outbox: at least about every second.
        """
        busy: dict[Future[None], str] = {}  # the deliveries in progress, with their ids
        with ThreadPoolExecutor(AT_ONCE, "delivery") as pool:
            while not stop.is_set():
                each_time()
                for delivery in self._take():
                    self._receivers.begin(delivery.id, receiver_of(delivery.job.webhook), time.monotonic())
                    busy[pool.submit(self.deliver, delivery)] = delivery.id
                stop.wait(SHORTEST_LOOK_SECONDS if busy else LOOK_SECONDS)
                ended, _ = wait(busy, LOOK_SECONDS, FIRST_COMPLETED)
                for future in ended:
                    self._receivers.end(busy.pop(future), time.monotonic())

    def deliver(self, delivery: Delivery) -> None:
        """Try once and record the outcome; if recording fails, the delivery is due again when its lease expires.

        While its receiver has asked to wait, the delivery waits without a try.
        """
        try:
            if held := self._outbox.held_seconds(delivery.job.webhook or ""):
                self._outbox.defer(delivery, held + random.uniform(0.0, 1.0))  # noqa: S311 - no secret
                return
            outcome = self._attempt(delivery)
        except RedisError as error:
            log.warning("delivery %s: not sent: %s", delivery.id, explained(error))
            return
        except Exception:
            log.exception("delivery %s: internal error", delivery.id)
            outcome = DeliveryOutcome("failed", "internal error; see the log of the service `courier`")
        try:
            self._record(delivery, outcome)
        except (RedisError, OSError, StorageFull) as error:
            reason = explained(error) if isinstance(error, RedisError) else error
            log.warning("delivery %s: %s, but could not record it: %s", delivery.id, outcome.outcome, reason)

    def _take(self) -> list[Delivery]:
        """Take the deliveries to send now, in a fair order of their receivers."""
        if not self._receivers.free:
            return []
        try:
            due = self._outbox.due(EXAMINED, self._examine_from)
            if len(self._receiver_of) > 10 * EXAMINED:  # mostly of deliveries that have ended
                self._receiver_of.clear()
            new = [delivery_id for delivery_id in due if delivery_id not in self._receiver_of][:READ_AT_ONCE]
            self._receiver_of |= {id_: receiver_of(url) for id_, url in self._outbox.urls(new).items()}
            chosen = self._receivers.next(due, self._receiver_of, time.monotonic())
            more_are_due = len(due) == EXAMINED and len(new) < READ_AT_ONCE
            self._examine_from = self._examine_from + EXAMINED if more_are_due else 0
            return self._outbox.take(chosen, self._lease_seconds)
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
            allow_private = settings.webhook_allow_private
            response = post(target, headers, body, settings.webhook_timeout, allow_private=allow_private)
        except (Refused, ValueError) as error:
            return DeliveryOutcome("refused", str(error), final=True)
        except Unreachable as error:
            return DeliveryOutcome("failed", str(error))
        return self._outcome_of(url, response)

    def _outcome_of(self, url: str, response: Response) -> DeliveryOutcome:
        """Return the outcome of a response; make all deliveries to this URL wait if it asks for that."""
        status = response.status
        if 200 <= status < 300:
            return DeliveryOutcome("delivered", f"status {status}", status, final=True)
        if status == HTTPStatus.GONE:
            with suppress(RedisError):  # else another delivery is answered by 410, too
                self._outbox.mark_gone(url)
            return DeliveryOutcome("gone", "status 410: this receiver gets nothing for 24 hours", status, final=True)
        wait_seconds = min(response.retry_after or 0.0, LONGEST_WAIT_SECONDS)
        if wait_seconds and status in THROTTLED:
            with suppress(RedisError):  # else each delivery is answered by itself
                self._outbox.hold(url, wait_seconds)
        hint = "; redirects are not followed" if 300 <= status < 400 else ""
        if wait_seconds:
            hint += f"; the receiver asks to wait {wait_seconds:.0f} s"
        return DeliveryOutcome("failed", f"status {status}{hint}", status, wait_seconds=wait_seconds)

    def _record(self, delivery: Delivery, outcome: DeliveryOutcome) -> None:
        tries = delivery.tries + 1
        log.info("delivery %s, try %d: %s: %s", delivery.id, tries, outcome.outcome, outcome.detail)
        if outcome.final or tries >= self._settings.webhook_tries:
            self._files.settle(delivery.job, delivery.id)
            self._outbox.settle(delivery, outcome.event(tries) | {"next_try_seconds": None})
        else:
            pause = max(outcome.wait_seconds, backoff(tries, self._settings.webhook_retry_seconds))
            self._outbox.postpone(delivery, pause, outcome.event(tries) | {"next_try_seconds": round(pause, 1)})


def backoff(tries: int, first: float) -> float:
    """Return the seconds to wait after so many tries: three times the previous wait, with jitter."""
    seconds = min(first * GROWTH ** min(tries - 1, 30), LONGEST_WAIT_SECONDS)
    return random.uniform(0.5, 1.0) * seconds  # noqa: S311 - no secret
