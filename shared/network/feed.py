"""The rows of a mini-batch on their way into the network: gathered, augmented, and scaled to numbers from 0 to 1."""

from __future__ import annotations

import numpy as np

from shared.network import generator, inputs, lit
from shared.network.arrays import Array, Images, Labels
from shared.network.distortion import Distortion
from shared.network.network import Network


class Feed:
    """Fills mini-batches from the rows (N, pixels), as the network's configuration says."""

    def __init__(self, network: Network, rows: Images) -> None:
        self._rows = rows
        self._pixels = int(rows.shape[1])
        self._shape = network.image_shape
        self._seed = network.configuration.seed
        self._factor = 1 / 255 if rows.dtype == np.uint8 else 1.0
        self._distortion = self._widths = None
        if network.configuration.augmentation:
            H, W = network.image_shape
            self._distortion = Distortion((H, W), network.configuration.augmentation, network.dtype)
        else:
            self._widths = lit.widths(rows)

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
        if self._distortion is None:
            inputs.scale(rows[:, : X.shape[1]], X)
            return
        shape = (len(batch), *self._shape)
        rng = generator.seeded(self._seed, generator.AUGMENTATION, number)
        self._distortion.run(rows.reshape(shape), self._factor, rng, X.reshape(shape))
