"""Filling the next mini-batch on a second thread while the network computes with this one.

A thread lives for one batch. So none outlasts a training by more than a few milliseconds, however that ends; and a
process forked meanwhile, in which the thread is gone, finds the batch unfinished and fills it itself. Starting a thread
costs less than 0.1 ms, and filling an augmented batch several.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import TypeAlias

import numpy as np

from shared.network.arrays import Array, Labels

WORTHWHILE = 2**15
"""Augmented pixels per mini-batch from which a second thread is used. On a busy machine with two cores, mini-batches
of 128 of MNIST's images took 0.5 to 0.9 times as long with it, those of 32 took 1.3 to 1.7 times. Where nothing was
augmented, no gain stood out from the noise."""

Fill: TypeAlias = Callable[[Labels, int, Array], None]
"""Writes the batch (n,) for the step of this number into the array (n, pixels), always with the same bits."""


class Ahead:
    """Fills batches one ahead of their use."""

    def __init__(self, fill: Fill) -> None:
        self._fill = fill
        self._work: Work | None = None
        self._spare: dict[int, Array] = {}

    def take(self, batch: Labels, number: int, X: Array) -> Array:
        """Give the filled batch: in X, or in an array that was filled in the meantime, which X then replaces."""
        work, self._work = self._work, None
        if work is not None:
            work.thread.join()
            if work.done and work.number == number and np.array_equal(work.batch, batch):
                self._spare[len(X)] = X
                return work.X
        self._fill(batch, number, X)
        return X

    def start(self, batch: Labels, number: int, like: Array) -> None:
        """Begin to fill a batch that is to be taken next, in an array of the width and precision of `like`."""
        X = self._spare.pop(len(batch), None)
        if X is None:
            X = np.empty((len(batch), like.shape[1]), like.dtype)
        self._work = Work(self._fill, batch, number, X)


class Work:
    """One batch being filled."""

    def __init__(self, fill: Fill, batch: Labels, number: int, X: Array) -> None:
        self.batch = batch
        self.number = number
        self.X = X
        self.done = False
        self.thread = Thread(target=self._run, args=(fill,), name="next batch")
        self.thread.start()

    def _run(self, fill: Fill) -> None:
        with suppress(Exception):  # whoever takes the batch fills it again, and meets the error there
            fill(self.batch, self.number, self.X)
            self.done = True
