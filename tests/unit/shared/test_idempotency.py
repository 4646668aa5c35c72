"""An Idempotency-Key has one holder at a time, and keeps its response."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from shared.errors import Conflict
from shared.idempotency import Held, IdempotencyKeys, StoredResponse
from tests.support.waiting import eventually

RESPONSE = StoredResponse(fingerprint="abc", length=3, status=202, location="/v1/jobs/1", body='{"id": "ü"}')


@pytest.fixture
def keys(redis: Redis) -> IdempotencyKeys:
    return IdempotencyKeys(redis, keep_seconds=60.0, lease_seconds=60.0)


def held(keys: IdempotencyKeys, key: str = "key", owner: str = "me") -> Held:
    taken = keys.begin(owner, key)
    assert isinstance(taken, Held)
    return taken


def test_a_key_in_use_is_refused(keys: IdempotencyKeys) -> None:
    held(keys)

    with pytest.raises(Conflict) as refused:
        keys.begin("me", "key")

    assert refused.value.code == "idempotency_key_in_use"


def test_a_finished_key_returns_its_response(keys: IdempotencyKeys) -> None:
    keys.finish(held(keys), RESPONSE)

    assert keys.begin("me", "key") == RESPONSE


def test_a_released_key_is_free(keys: IdempotencyKeys) -> None:
    keys.release(held(keys))

    held(keys)


@pytest.mark.parametrize(("owner", "key"), [("you", "key"), ("me", "other"), ("", "mekey"), ("mekey", "")])
def test_keys_of_other_owners_and_other_keys_are_independent(keys: IdempotencyKeys, owner: str, key: str) -> None:
    keys.finish(held(keys), RESPONSE)

    held(keys, key, owner)


def test_one_of_many_simultaneous_requests_gets_the_key(keys: IdempotencyKeys) -> None:
    def begin(_: int) -> bool:
        try:
            return isinstance(keys.begin("me", "key"), Held)
        except Conflict:
            return False

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(begin, range(64))) == 1


class TestExpiredKeys:
    def test_an_expired_key_is_taken_over_with_its_id(self, redis: Redis) -> None:
        keys = IdempotencyKeys(redis, keep_seconds=60.0, lease_seconds=0.05)
        first = held(keys)

        second = eventually(lambda: taken_over(keys))

        assert second.id == first.id
        assert second.token != first.token

    def test_a_renewed_lease_keeps_the_key(self, redis: Redis) -> None:
        short = IdempotencyKeys(redis, keep_seconds=60.0, lease_seconds=0.05)
        first = held(short)

        IdempotencyKeys(redis, keep_seconds=60.0, lease_seconds=60.0).renew(first)

        with pytest.raises(Conflict):
            short.begin("me", "key")

    def test_a_late_holder_of_an_expired_key_changes_nothing(self, redis: Redis) -> None:
        keys = IdempotencyKeys(redis, keep_seconds=60.0, lease_seconds=0.05)
        first = held(keys)
        second = eventually(lambda: taken_over(keys))

        keys.finish(first, RESPONSE)
        keys.release(first)
        keys.finish(second, StoredResponse("def", 3, 201, "", "{}"))

        assert keys.begin("me", "key") == StoredResponse("def", 3, 201, "", "{}")


def test_a_key_expires_with_its_response(redis: Redis) -> None:
    keys = IdempotencyKeys(redis, keep_seconds=0.05, lease_seconds=60.0)
    keys.finish(held(keys), RESPONSE)

    eventually(lambda: redis.keys("*") == [])


def taken_over(keys: IdempotencyKeys) -> Held:
    """Take the key after the lease of its holder has expired."""
    try:
        return held(keys)
    except Conflict as error:
        raise AssertionError("the key is still held") from error
