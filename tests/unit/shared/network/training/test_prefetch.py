from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
import pytest

from shared.network.arrays import Array, Labels
from shared.network.training.loader import Prefetcher


class Filler:
    """Fills an array with the step's number plus the indices, and records the calling threads."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.error: Exception | None = None

    def __call__(self, batch: Labels, number: int, X: Array) -> None:
        self.threads.append(threading.current_thread())
        if self.error:
            raise self.error
        X[:] = number + batch[:, np.newaxis]


def array(rows: int) -> Array:
    return np.empty((rows, 3))


def take(prefetcher: Prefetcher, batch: Labels, number: int, X: Array) -> list[Any]:
    result = prefetcher.take(batch, number, X)
    assert (result == result[:, :1]).all()
    return list(result[:, 0].tolist())


ONE, TWO = np.array([10, 20]), np.array([30, 40])


def test_a_batch_that_was_not_started_is_filled_by_take() -> None:
    filler = Filler()
    X = array(2)
    assert take(Prefetcher(filler), ONE, 5, X) == [15, 25]
    assert X[0, 0] == 15
    assert filler.threads == [threading.main_thread()]


def test_a_started_batch_is_filled_once_by_another_thread() -> None:
    filler = Filler()
    prefetcher = Prefetcher(filler)
    prefetcher.start(TWO, 6, array(2))
    assert take(prefetcher, TWO, 6, array(2)) == [36, 46]
    assert len(filler.threads) == 1
    assert filler.threads[0] is not threading.main_thread()


@pytest.mark.parametrize(("batch", "number"), [(ONE, 6), (TWO, 7), (np.array([30, 40, 50]), 6)])
def test_a_batch_started_for_another_step_is_not_used(batch: Labels, number: int) -> None:
    prefetcher = Prefetcher(Filler())
    prefetcher.start(TWO, 6, array(2))
    assert take(prefetcher, batch, number, array(len(batch))) == (number + batch).tolist()


def test_two_arrays_are_used_in_turn() -> None:
    prefetcher = Prefetcher(Filler())
    X = prefetcher.take(ONE, 0, array(2))
    seen = {id(X)}
    for number in range(1, 9):
        used, kept = X, X.copy()
        prefetcher.start(ONE, number, used)
        X = prefetcher.take(ONE, number, used)
        np.testing.assert_array_equal(used, kept)  # the array in use is not changed
        assert X[0, 0] == number + 10
        seen.add(id(X))
    assert len(seen) == 2


def test_take_raises_the_error_of_a_started_batch() -> None:
    filler = Filler()
    filler.error = ValueError("no such image")
    prefetcher = Prefetcher(filler)
    prefetcher.start(TWO, 6, array(2))
    with pytest.raises(ValueError, match="no such image"):
        prefetcher.take(TWO, 6, array(2))


def test_no_thread_remains_after_a_batch_is_filled() -> None:
    filler = Filler()
    Prefetcher(filler).start(TWO, 6, array(2))
    for thread in threading.enumerate():
        if thread.name == "next batch":
            thread.join(timeout=5)
    assert not any(thread.name == "next batch" for thread in threading.enumerate())


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_fills_a_batch_that_was_started_before_the_fork() -> None:
    released = threading.Event()

    def fill(batch: Labels, number: int, X: Array) -> None:
        if threading.current_thread() is not threading.main_thread():
            released.wait(10)
        X[:] = number

    prefetcher = Prefetcher(fill)
    prefetcher.start(TWO, 6, array(2))
    child = os.fork()
    if child == 0:
        right = prefetcher.take(TWO, 6, array(2))[0, 0] == 6
        os._exit(0 if right else 1)
    released.set()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert prefetcher.take(TWO, 6, array(2))[0, 0] == 6
