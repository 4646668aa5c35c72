"""The parameters that a training gives: the latest, or their average, or the best of either by validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from shared.network.arrays import Array
from shared.network.averaging import Average
from shared.network.configuration import Configuration
from shared.network.early_stopping import Best
from shared.network.reports import EpochReport


class Result:
    """Follows the parameters in the vector P, which training changes in place."""

    def __init__(self, configuration: Configuration, P: Array) -> None:
        self._P = P
        self._average = Average(P, configuration.averaging) if configuration.averaging else None
        self._best = Best(P) if configuration.early_stopping else None

    @property
    def latest(self) -> Array:
        """The parameters as they are now, averaged if the configuration says so: what is validated."""
        return self._average.P if self._average else self._P

    @property
    def best(self) -> Array:
        """What the training gives, once an epoch has ended: with early stopping, what validated best; else `latest`."""
        return self._best.P if self._best else self.latest

    def after_step(self, t: int) -> None:
        """Take in the parameters after step t, from 1."""
        if self._average:
            self._average.add(self._P, t)

    def after_epoch(self, history: Sequence[EpochReport]) -> None:
        """Take in the parameters after the last of these epochs."""
        if self._best:
            self._best.consider(self.latest, history)

    def state(self) -> dict[str, np.ndarray[Any, Any]]:
        """Give what it keeps, as copies of vectors."""
        return {name: vector.copy() for name, vector in self._vectors().items()}

    def restore(self, state: dict[str, np.ndarray[Any, Any]]) -> None:
        """Go on with what `state` gave."""
        for name, vector in self._vectors().items():
            vector[:] = state[name]

    def _vectors(self) -> dict[str, Array]:
        kept = {"average": self._average, "best": self._best}
        return {name: keeper.P for name, keeper in kept.items() if keeper is not None}
