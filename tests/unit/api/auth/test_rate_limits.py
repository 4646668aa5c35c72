"""Rate limits: counted in Redis for all processes, and without effect if Redis fails."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis

from api.auth.rate_limits import TIMEOUT_SECONDS, RateLimit
from shared.errors import TooMany
from shared.jobs import keys
from shared.runtime.settings import Settings
from tests.support.waiting import eventually


def spent(limit: RateLimit, holder: str = "me", most: int = 10_000) -> int:
    """Return how many requests pass until one is rejected."""
    for count in range(most):
        try:
            limit.spend(holder)
        except TooMany:
            return count
    return most


def allowed(limit: RateLimit) -> Callable[[], bool]:
    def passes() -> bool:
        try:
            limit.spend("me")
        except TooMany:
            return False
        return True

    return passes


def test_request_beyond_the_burst_gets_a_time_to_retry(settings: Settings) -> None:
    limit = RateLimit(settings, "requests", rate=0.5, burst=5)

    assert spent(limit) == 5
    with pytest.raises(TooMany) as caught:
        limit.spend("me")
    assert caught.value.code == "too_many_requests"
    assert 1 <= caught.value.retry_after <= 2


def test_tokens_are_refilled_over_time(settings: Settings) -> None:
    limit = RateLimit(settings, "requests", rate=20, burst=2)
    spent(limit)

    eventually(allowed(limit), within=5)


def test_each_holder_has_its_own_bucket(settings: Settings) -> None:
    limit = RateLimit(settings, "requests", rate=0.1, burst=3)

    assert spent(limit, "me") == 3
    assert spent(limit, "you") == 3


def test_concurrent_requests_below_the_burst_all_pass(settings: Settings) -> None:
    limit = RateLimit(settings, "requests", rate=100, burst=2000)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: limit.spend("me"), range(1900)))


def test_two_limits_count_separately(settings: Settings) -> None:
    first, second = (RateLimit(settings, name, rate=0.1, burst=3) for name in ("requests", "submissions"))

    assert spent(first) == 3
    assert spent(second) == 3


def test_all_processes_share_one_count(settings: Settings) -> None:
    processes = [RateLimit(settings, "requests", rate=0.1, burst=6) for _ in range(3)]

    assert sum(spent(process) for process in processes) == 6


def test_rate_of_0_limits_no_request(settings: Settings, redis: Redis) -> None:
    assert spent(RateLimit(settings, "requests", rate=0, burst=1), most=1000) == 1000
    assert redis.keys("*") == []


def test_high_limit_calls_redis_for_few_requests(settings: Settings, redis: Redis) -> None:
    limit = RateLimit(settings, "requests", rate=5000, burst=10_000)
    calls = commands(redis)

    for _ in range(1000):
        limit.spend("me")

    assert commands(redis) - calls < 100


def test_bucket_of_an_idle_holder_expires(settings: Settings, redis: Redis) -> None:
    spent(RateLimit(settings, "requests", rate=10, burst=5))

    eventually(lambda: not redis.exists(keys.rate_bucket("requests", "me")), within=5)


def test_no_limit_applies_while_redis_is_down(settings: Settings, tmp_path: Path) -> None:
    nowhere = settings.model_copy(update={"redis_url": f"unix://{tmp_path}/no.sock"})

    assert spent(RateLimit(nowhere, "requests", rate=1, burst=1), most=100) == 100


def test_silent_redis_delays_one_request_only(settings: Settings, short_folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(short_folder / "silent.sock"))
        server.listen()
        limit = RateLimit(
            settings.model_copy(update={"redis_url": f"unix://{short_folder}/silent.sock"}), "requests", 1, 1
        )
        started = time.monotonic()

        assert spent(limit, most=100) == 100

        assert time.monotonic() - started < 50 * TIMEOUT_SECONDS  # of 100, if each waited


def commands(redis: Redis) -> int:
    return int(redis.info("stats")["total_commands_processed"])
