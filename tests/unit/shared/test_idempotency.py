"""An Idempotency-Key has one holder at a time, and keeps what it was answered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from shared.errors import Conflict
from shared.idempotency import Answered, Held, IdempotencyKeys
from tests.support.waiting import eventually

ANSWERED = Answered(fingerprint="abc", length=3, status=202, location="/v1/jobs/1", body='{"id": "ü"}')


@pytest.fixture
def keys(redis: Redis) -> IdempotencyKeys:
    return IdempotencyKeys(redis, keep_seconds=60.0, lease_seconds=60.0)


def held(keys: IdempotencyKeys, key: str = "key", owner: str = "me") -> Held:
    taken = keys.begin(owner, key)
    assert isinstance(taken, Held)
    return taken


def test_a_key_in_use_is_nobody_elses(keys: IdempotencyKeys) -> None:
    held(keys)

    with pytest.raises(Conflict) as refused:
        keys.begin("me", "key")

    assert refused.value.code == "idempotency_key_in_use"


def test_a_finished_key_gives_its_answer(keys: IdempotencyKeys) -> None:
    keys.finish(held(keys), ANSWERED)

    assert keys.begin("me", "key") == ANSWERED


def test_a_key_that_is_given_back_is_free(keys: IdempotencyKeys) -> None:
    keys.give_back(held(keys))

    held(keys)


@pytest.mark.parametrize(("owner", "key"), [("you", "key"), ("me", "other"), ("", "mekey"), ("mekey", "")])
def test_another_owners_key_or_another_key_is_another(keys: IdempotencyKeys, owner: str, key: str) -> None:
    keys.finish(held(keys), ANSWERED)

    held(keys, key, owner)


def test_of_many_at_once_one_gets_the_key(keys: IdempotencyKeys) -> None:
    def begin(_: int) -> bool:
        try:
            return isinstance(keys.begin("me", "key"), Held)
        except Conflict:
            return False

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(begin, range(64))) == 1


class TestAHolderThatDied:
    def test_its_key_is_taken_over_with_the_id_of_what_it_was_to_make(self, redis: Redis) -> None:
        keys = IdempotencyKeys(redis, keep_seconds=60.0, lease_seconds=0.05)
        first = held(keys)

        second = eventually(lambda: taken_over(keys))

        assert second.id == first.id
        assert second.token != first.token

    def test_a_sign_of_life_keeps_the_key(self, redis: Redis) -> None:
        short = IdempotencyKeys(redis, keep_seconds=60.0, lease_seconds=0.05)
        first = held(short)

        IdempotencyKeys(redis, keep_seconds=60.0, lease_seconds=60.0).renew(first)

        with pytest.raises(Conflict):
            short.begin("me", "key")

    def test_what_it_says_when_it_wakes_up_changes_nothing(self, redis: Redis) -> None:
        keys = IdempotencyKeys(redis, keep_seconds=60.0, lease_seconds=0.05)
        first = held(keys)
        second = eventually(lambda: taken_over(keys))

        keys.finish(first, ANSWERED)
        keys.give_back(first)
        keys.finish(second, Answered("def", 3, 201, "", "{}"))

        assert keys.begin("me", "key") == Answered("def", 3, 201, "", "{}")


def test_a_key_is_forgotten_after_its_time(redis: Redis) -> None:
    keys = IdempotencyKeys(redis, keep_seconds=0.05, lease_seconds=60.0)
    keys.finish(held(keys), ANSWERED)

    eventually(lambda: redis.keys("*") == [])


def taken_over(keys: IdempotencyKeys) -> Held:
    """The key, when its holder counts as dead."""
    try:
        return held(keys)
    except Conflict as error:
        raise AssertionError("it is held still") from error
