"""Pauses grow, are jittered, heed what the server asks for, and end."""

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


def test_the_pauses_are_not_those_of_another_client() -> None:
    assert pauses(Retries()) != pauses(Retries())


def test_all_pauses_together_are_bounded() -> None:
    retries = Retries(attempts=1000, first_pause=1.0, longest_pause=1.0, within=10.0)
    assert 9.0 <= sum(pauses(retries)) <= 10.0


def test_a_server_that_asks_for_a_longer_pause_gets_it() -> None:
    assert RETRIES.pause(1, 0.0, asked_for=7.0) == 7.0


def test_a_server_that_asks_for_too_long_a_pause_is_not_waited_for() -> None:
    assert RETRIES.pause(1, 0.0, asked_for=101.0) is None


def test_never_is_never() -> None:
    assert NEVER.pause(1, 0.0) is None
