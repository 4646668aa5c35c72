"""The fair queue: one thread runs at a time, in order, and a long turn does not block the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.server.fair_queue import FairQueue
from tests.support.waiting import eventually


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Enough threads for all tasks of a test."""
    with ThreadPoolExecutor(16) as threads:
        yield threads


def test_one_thread_runs_at_a_time(pool: ThreadPoolExecutor) -> None:
    turns = FairQueue(turn_seconds=60)
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


def test_turns_are_granted_in_the_order_of_the_requests(pool: ThreadPoolExecutor) -> None:
    turns = FairQueue(turn_seconds=60)
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


def test_long_turn_does_not_block_the_others(pool: ThreadPoolExecutor) -> None:
    turns = FairQueue(turn_seconds=0.01)
    slow = [turns.take() for _ in range(5)]  # none is released before the next is granted

    turns.release(turns.take())
    for turn in slow:
        turns.release(turn)

    assert turns._holder is None
    turns.release(turns.take())


def test_releasing_an_expired_turn_does_not_end_another_turn(pool: ThreadPoolExecutor) -> None:
    turns = FairQueue(turn_seconds=0.01)
    slow = turns.take()
    other = turns.take()
    long_queue = FairQueue(turn_seconds=60)
    long_queue._holder = other
    granted = threading.Event()

    def third() -> None:
        turn = long_queue.take()
        granted.set()
        long_queue.release(turn)

    task = pool.submit(third)
    eventually(lambda: len(long_queue._queue) == 1)
    long_queue.release(slow)
    assert not granted.is_set()

    long_queue.release(other)
    task.result(timeout=20)
    assert granted.is_set()
