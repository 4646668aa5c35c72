"""Pauses between retries grow with jitter, respect `Retry-After`, and are bounded."""

from __future__ import annotations

import random

from glassbox import Retries
from glassbox.http.retrying import NEVER

RETRIES = Retries(attempts=6, first_pause=1.0, longest_pause=5.0, within=100.0, source=random.Random(1))


def pauses(retries: Retries) -> list[float]:
    found: list[float] = []
    while (pause := retries.pause(len(found) + 1, sum(found))) is not None:
        found.append(pause)
    return found


def test_pauses_double_to_the_longest_with_jitter() -> None:
    for pause, most in zip(pauses(RETRIES), [1.0, 2.0, 4.0, 5.0, 5.0], strict=True):
        assert most / 2 <= pause <= most


def test_two_clients_have_different_pauses() -> None:
    assert pauses(Retries()) != pauses(Retries())


def test_the_sum_of_the_pauses_is_bounded() -> None:
    retries = Retries(attempts=1000, first_pause=1.0, longest_pause=1.0, within=10.0)
    assert 9.0 <= sum(pauses(retries)) <= 10.0


def test_a_pause_is_at_least_retry_after() -> None:
    assert RETRIES.pause(1, 0.0, retry_after=7.0) == 7.0


def test_a_retry_after_beyond_the_limit_ends_the_retries() -> None:
    assert RETRIES.pause(1, 0.0, retry_after=101.0) is None


def test_never_has_no_retries() -> None:
    assert NEVER.pause(1, 0.0) is None
