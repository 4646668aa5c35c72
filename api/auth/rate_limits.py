"""Rate limits: one token bucket per key or address in Redis; each process takes several tokens at a time.

If Redis does not answer, no limit applies: requests that need only the volume continue to work, with little delay.
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
TIMEOUT_SECONDS = 0.25  # of a call to Redis
PAUSE_SECONDS = 5.0  # after a failed call to Redis, before the next one
SHARES = 20  # a process takes 1/SHARES of a second's tokens at once, so that few requests call Redis
KEEP_SECONDS = 1.0  # lifetime of the taken tokens
MANY = 10_000  # holders in memory before expired ones are removed


@dataclass
class _Held:
    tokens: int
    until: float


class RateLimit:
    """A limit on the requests per second of each holder (a key or an address), shared by all processes.

    name: part of the bucket's Redis key. rate: requests per second, 0 for no limit. burst: the bucket's capacity.
    """

    def __init__(self, settings: Settings, name: str, rate: float, burst: int) -> None:
        timeout = min(TIMEOUT_SECONDS, settings.redis_timeout)
        redis = connect(settings.model_copy(update={"redis_timeout": timeout}))
        self._take = Script(redis, SCRIPT.read_text())
        self._name = name
        self._rate = rate
        self._burst = burst
        self._share = max(1, min(int(rate / SHARES), burst // 2))
        self._held: dict[str, _Held] = {}
        self._lock = Lock()
        self._fetching = Lock()
        self._retry_at = 0.0

    def spend(self, holder: str) -> None:
        """Spend one token of this holder. Raises `TooMany` if the bucket is empty."""
        if not self._rate or self._spend_held(holder):
            return
        with self._fetching:  # one thread at a time, because its tokens serve the waiting threads too
            if not self._spend_held(holder):
                self._fetch(holder)

    def _fetch(self, holder: str) -> None:
        if time.monotonic() < self._retry_at:
            return
        try:
            bucket = keys.rate_bucket(self._name, holder)
            taken, wait_ms = self._take({"bucket": bucket}, rate=self._rate, burst=self._burst, wanted=self._share)
        except RedisError:
            self._retry_at = time.monotonic() + PAUSE_SECONDS
            return
        if not taken:
            seconds = max(1, math.ceil(wait_ms / 1000))
            detail = f"the rate limit is {self._rate:g} {self._name} per second; try again in {seconds} s"
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
                tokens += held.tokens  # fetched by another thread at the same time
            self._held[holder] = _Held(tokens, now + KEEP_SECONDS)
