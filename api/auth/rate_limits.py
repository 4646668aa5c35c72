"""How many requests somebody may send a second: a token bucket in Redis, from which each process takes some at a time.

Where Redis does not answer, nothing is limited: what needs only the volume goes on working, and is hardly slowed down.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from redis import RedisError

from shared.errors import TooMany
from shared.jobs import keys
from shared.jobs.task_queue import connect
from shared.runtime.redis_scripts import Script
from shared.runtime.settings import Settings

SCRIPT = Path(__file__).with_name("take_tokens.lua")
PATIENCE_SECONDS = 0.25  # with Redis
PAUSE_SECONDS = 5.0  # until Redis is asked again after it did not answer
SHARES = 20  # a process takes this part of a second's tokens at once, so that few requests ask Redis
KEEP_SECONDS = 1.0  # for which it may use them up
MANY = 10_000  # holders to remember


@dataclass
class _Held:
    tokens: int
    until: float


class RateLimit:
    """One limit on requests a second, kept for each holder apart, by all processes together.

    name: in the bucket's key. rate: requests a second, 0 for any number. burst: how many at once after a quiet time.
    """

    def __init__(self, settings: Settings, name: str, rate: float, burst: int) -> None:
        patience = min(PATIENCE_SECONDS, settings.redis_timeout)
        redis = connect(settings.model_copy(update={"redis_timeout": patience}))
        self._take = Script(redis, SCRIPT.read_text())
        self._name = name
        self._rate = rate
        self._burst = burst
        self._share = max(1, min(int(rate / SHARES), burst // 2))
        self._held: dict[str, _Held] = {}
        self._lock = Lock()
        self._asking = Lock()
        self._ask_again_at = 0.0

    def spend(self, holder: str) -> None:
        """Count a request of this holder; raises `TooMany` where it has used up what it may."""
        if not self._rate or self._spend_held(holder):
            return
        with self._asking:  # one at a time: what it gets is for the others, too
            if not self._spend_held(holder):
                self._fetch(holder)

    def _fetch(self, holder: str) -> None:
        if time.monotonic() < self._ask_again_at:
            return
        try:
            bucket = keys.rate_bucket(self._name, holder)
            taken, wait_ms = self._take({"bucket": bucket}, rate=self._rate, burst=self._burst, wanted=self._share)
        except RedisError:
            self._ask_again_at = time.monotonic() + PAUSE_SECONDS
            return
        if not taken:
            seconds = max(1, math.ceil(wait_ms / 1000))
            detail = f"more than {self._rate:g} {self._name} a second; try again in {seconds} s"
            raise TooMany("too_many_requests", detail, seconds)
        self._keep(holder, taken - 1)

    def _spend_held(self, holder: str) -> bool:
        with self._lock:
            held = self._held.get(holder)
            if held is None or held.tokens == 0 or time.monotonic() > held.until:
                return False
            held.tokens -= 1
            return True

    def _keep(self, holder: str, tokens: int) -> None:
        now = time.monotonic()
        with self._lock:
            if len(self._held) >= MANY:
                self._held = {name: held for name, held in self._held.items() if held.until > now}
            held = self._held.get(holder)
            if held is not None and held.until > now:
                tokens += held.tokens  # of another thread that asked at the same moment
            self._held[holder] = _Held(tokens, now + KEEP_SECONDS)
