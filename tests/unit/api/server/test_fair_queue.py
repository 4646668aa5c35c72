"""Turns: one works at a time, in order, and one that takes long keeps nobody waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.server.fair_queue import FairQueue
from tests.support.waiting import eventually


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads enough for all."""
    with ThreadPoolExecutor(16) as threads:
        yield threads


def test_one_works_at_a_time(pool: ThreadPoolExecutor) -> None:
    turns = FairQueue(patience_seconds=60)
    working: list[int] = []
    seen: list[int] = []

    def work(number: int) -> None:
        for _ in range(50):
            turn = turns.take()
            working.append(number)
            seen.append(len(working))
            working.remove(number)
            turns.release(turn)

    list(pool.map(work, range(8)))

    assert seen == [1] * 400


def test_turns_come_in_the_order_in_which_they_were_asked_for(pool: ThreadPoolExecutor) -> None:
    turns = FairQueue(patience_seconds=60)
    first = turns.take()
    order: list[int] = []

    def work(number: int) -> None:
        turn = turns.take()
        order.append(number)
        turns.release(turn)

    for number in range(8):
        pool.submit(work, number)
        eventually(lambda waiting=number + 1: len(turns._queue) == waiting)  # type: ignore[misc]
    turns.release(first)

    eventually(lambda: len(order) == 8)
    assert order == list(range(8))


def test_who_takes_long_keeps_nobody_waiting(pool: ThreadPoolExecutor) -> None:
    turns = FairQueue(patience_seconds=0.01)
    slow = [turns.take() for _ in range(5)]  # none of them gives back before the next has its turn

    turns.release(turns.take())
    for turn in slow:
        turns.release(turn)

    assert turns._holder is None
    turns.release(turns.take())


def test_who_lost_the_turn_does_not_give_anothers_away(pool: ThreadPoolExecutor) -> None:
    turns = FairQueue(patience_seconds=0.01)
    slow = turns.take()
    other = turns.take()
    patient = FairQueue(patience_seconds=60)
    patient._holder = other
    waits = threading.Event()

    def third() -> None:
        turn = patient.take()
        waits.set()
        patient.release(turn)

    asked = pool.submit(third)
    eventually(lambda: len(patient._queue) == 1)
    patient.release(slow)
    assert not waits.is_set()

    patient.release(other)
    asked.result(timeout=20)
    assert waits.is_set()
