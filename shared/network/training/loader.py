"""The batch loader: gathers the rows of a mini-batch, augments them, and scales them to numbers from 0 to 1."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import TypeAlias

import numpy as np

from shared.network.arrays import Array, Images, Labels
from shared.network.augmentation.augmenter import Augmenter
from shared.network.layers import inputs
from shared.network.layers.checks import Check, no_check
from shared.network.layers.inputs import Standardization
from shared.network.network import Network
from shared.network.training import pixel_order, random_state

PREFETCH_FROM_PIXELS = 2**15
"""Augmented pixels per mini-batch from which a second thread is used. On a busy machine with two cores, mini-batches
of 128 of MNIST's images took 0.5 to 0.9 times as long with it, and those of 32 took 1.3 to 1.7 times as long. Without
augmentation the thread had no measurable effect."""

Fill: TypeAlias = Callable[[Labels, int, Array], None]
"""Writes the batch (n,) for the step with this number into the array (n, pixels), always with the same bits."""


class BatchLoader:
    """Fills mini-batches from the rows (N, pixels), as the network's configuration states.

    standardization: what standardizes the input, or None. check: called while the rows are examined.
    """

    def __init__(
        self,
        network: Network,
        rows: Images,
        standardization: Standardization | None = None,
        check: Check = no_check,
    ) -> None:
        self._rows = rows
        self._pixels = int(rows.shape[1])
        self._shape = network.image_shape
        self._seed = network.configuration.seed
        self._factor = 1 / 255 if rows.dtype == np.uint8 else 1.0
        self._augmenter = self._widths = None
        if network.configuration.augmentation:
            self._augmenter = Augmenter(network.image_shape, network.configuration.augmentation, network.dtype)
        elif standardization is None:
            self._widths = pixel_order.widths(rows, check)
        self._standardization = standardization

    def width(self, batch: Labels) -> int:
        """Return the number of leading pixels, at least 1, with all active pixels of the images at these indices."""
        if self._widths is None:
            return self._pixels
        return max(1, int(np.maximum.reduce(self._widths.take(batch))))

    def fill(self, batch: Labels, number: int, X: Array) -> None:
        """Write the images at these indices into X (n, width), for the training's step with this number.

        X can be as narrow as the result of `width`, and should be contiguous: operations on strided rows take several
        times as long. The step's number seeds the augmentation, so that a batch has the same bits at any time and in
        any thread. Only one thread may call this method at a time.
        """
        rows = self._rows.take(batch, axis=0)  # takes two thirds of the time of self._rows[batch]
        if self._augmenter is None:
            inputs.scale(rows[:, : X.shape[1]], X, self._standardization)
            return
        self._augment(rows, number, X)
        if self._standardization is not None:
            self._standardization.apply_to_rows(X)

    def _augment(self, rows: Images, number: int, X: Array) -> None:
        shape = (len(rows), *self._shape)
        rng = random_state.seeded(self._seed, random_state.AUGMENTATION, number)
        assert self._augmenter is not None
        self._augmenter.run(rows.reshape(shape), self._factor, rng, X.reshape(shape))


class Prefetcher:
    """Fills the next batch in a second thread while the current one is used."""

    def __init__(self, fill: Fill) -> None:
        self._fill = fill
        self._pending: PendingBatch | None = None
        self._spare: dict[int, Array] = {}

    def take(self, batch: Labels, number: int, X: Array) -> Array:
        """Return the filled batch: X, or the array that the second thread has filled; a later `start` then reuses X."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.thread.join()
            if pending.done and pending.number == number and np.array_equal(pending.batch, batch):
                self._spare[len(X)] = X
                return pending.X
        self._fill(batch, number, X)
        return X

    def start(self, batch: Labels, number: int, like: Array) -> None:
        """Start to fill the next batch, in an array of the width and precision of `like`."""
        X = self._spare.pop(len(batch), None)
        if X is None:
            X = np.empty((len(batch), like.shape[1]), like.dtype)
        self._pending = PendingBatch(self._fill, batch, number, X)


class PendingBatch:
    """A batch that a thread fills."""

    def __init__(self, fill: Fill, batch: Labels, number: int, X: Array) -> None:
        self.batch = batch
        self.number = number
        self.X = X
        self.done = False
        self.thread = Thread(target=self._run, args=(fill,), name="next batch")
        self.thread.start()

    def _run(self, fill: Fill) -> None:
        with suppress(Exception):  # `take` then fills the batch itself, and raises the error
            fill(self.batch, self.number, self.X)
            self.done = True
