"""The rows of a mini-batch on their way into the network: gathered, augmented, and scaled to numbers from 0 to 1."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import TypeAlias

import numpy as np

from shared.network import random_state
from shared.network.arrays import Array, Images, Labels
from shared.network.augmentation.augmenter import Augmenter
from shared.network.layers import inputs
from shared.network.network import Network
from shared.network.training import pixel_order

PREFETCH_FROM_PIXELS = 2**15
"""Augmented pixels per mini-batch from which a second thread is used. On a busy machine with two cores, mini-batches
of 128 of MNIST's images took 0.5 to 0.9 times as long with it, those of 32 took 1.3 to 1.7 times. Where nothing was
augmented, no gain stood out from the noise."""

Fill: TypeAlias = Callable[[Labels, int, Array], None]
"""Writes the batch (n,) for the step of this number into the array (n, pixels), always with the same bits."""


class BatchLoader:
    """Fills mini-batches from the rows (N, pixels), as the network's configuration says."""

    def __init__(self, network: Network, rows: Images) -> None:
        self._rows = rows
        self._pixels = int(rows.shape[1])
        self._shape = network.image_shape
        self._seed = network.configuration.seed
        self._factor = 1 / 255 if rows.dtype == np.uint8 else 1.0
        self._augmenter = self._widths = None
        if network.configuration.augmentation:
            H, W = network.image_shape
            self._augmenter = Augmenter((H, W), network.configuration.augmentation, network.dtype)
        else:
            self._widths = pixel_order.widths(rows)

    def width(self, batch: Labels) -> int:
        """Say how many of the leading pixels hold all that is lit in the images at these indices; at least 1."""
        if self._widths is None:
            return self._pixels
        return max(1, int(np.maximum.reduce(self._widths.take(batch))))

    def fill(self, batch: Labels, number: int, X: Array) -> None:
        """Write the images at these indices into X (n, width), for the training's step of this number.

        X may be as narrow as `width` says, and contiguous: what works on strided rows takes several times as long.
        The number chooses the random numbers, so that a batch has the same bits whenever it is filled, and by whichever
        thread; only one may do so at a time.
        """
        rows = self._rows.take(batch, axis=0)  # in two thirds of the time of self._rows[batch]
        if self._augmenter is None:
            inputs.scale(rows[:, : X.shape[1]], X)
            return
        shape = (len(batch), *self._shape)
        rng = random_state.seeded(self._seed, random_state.AUGMENTATION, number)
        self._augmenter.run(rows.reshape(shape), self._factor, rng, X.reshape(shape))


class Prefetcher:
    """Fills batches one ahead of their use."""

    def __init__(self, fill: Fill) -> None:
        self._fill = fill
        self._work: PendingBatch | None = None
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
        self._work = PendingBatch(self._fill, batch, number, X)


class PendingBatch:
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
