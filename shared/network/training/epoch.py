"""One pass over the training images: their order, the position in it, and running sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.network.evaluation.reports import EpochReport, Progress

MEASURED = 8
"""The most mini-batches of an epoch whose norms are measured layer by layer: another pass over the gradient takes up to
a twentieth of a small network's step."""


@dataclass
class Epoch:
    """The state of one epoch, which trains on every image once in a random order."""

    number: int
    """From 1."""

    order: npt.NDArray[np.int64]
    batch_size: int
    position: int = 0
    """Processed images."""

    loss: float = 0.0
    """Summed over the processed images, in nats."""

    correct: int = 0

    gradient_norm: float = 0.0
    """Summed over the processed mini-batches."""

    seconds: float = 0.0

    layer_norms: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """(layers,): the norms of each layer's gradient, summed over the measured mini-batches."""

    measured: int = 0
    """The mini-batches in `layer_norms`."""

    def __post_init__(self) -> None:
        self._interval = self.batch_size * -(-self.steps // MEASURED)

    @classmethod
    def begin(
        cls,
        number: int,
        images: npt.NDArray[np.int64],
        batch_size: int,
        rng: np.random.Generator,
        layers: int = 0,
    ) -> Epoch:
        """Shuffle the indices of the images for a new epoch, in which the norms of so many layers are measured."""
        return cls(number, rng.permutation(images), batch_size, layer_norms=np.zeros(layers))

    @property
    def steps(self) -> int:
        """The number of mini-batches; the last may be smaller than the others."""
        return -(-len(self.order) // self.batch_size)

    @property
    def step(self) -> int:
        """The mini-batch that was added last, from 1; 0 before the first."""
        return -(-self.position // self.batch_size)

    @property
    def finished(self) -> bool:
        """Whether every image has been processed."""
        return self.position == len(self.order)

    def next_batch(self) -> npt.NDArray[np.int64]:
        """Return the indices of the next mini-batch."""
        return self.order[self.position : self.position + self.batch_size]

    def following(self, images: int) -> npt.NDArray[np.int64]:
        """Return the indices of this many images after the next mini-batch, fewer at the epoch's end."""
        start = self.position + self.batch_size
        return self.order[start : start + images]

    def add(self, samples: int, loss: float, correct: int, gradient_norm: float = 0.0) -> Progress:
        """Add a mini-batch: its summed loss, the number of correct predictions, and the norm of its gradient."""
        self.position += samples
        self.loss += loss
        self.correct += correct
        self.gradient_norm += gradient_norm
        position = self.position
        return Progress(self.number, self.step, self.steps, position, self.loss / position, self.correct / position)

    @property
    def measures(self) -> bool:
        """Whether the norms of the next mini-batch are measured layer by layer: few, evenly spaced from the first."""
        return self.position % self._interval == 0

    def measure(self, norms: Sequence[float]) -> None:
        """Add the norms of each layer's gradient in one mini-batch."""
        self.layer_norms += norms
        self.measured += 1

    def report(self) -> EpochReport:
        """Return the report of the finished epoch, without validation."""
        samples = len(self.order)
        return EpochReport(
            self.number,
            self.loss / samples,
            self.correct / samples,
            self.seconds,
            gradient_norm=self.gradient_norm / self.steps,
            layer_gradient_norms=self._mean_norms(),
        )

    def _mean_norms(self) -> tuple[float, ...]:
        norms = [total / max(1, self.measured) for total in self.layer_norms.tolist()]
        if not self.measured or not all(map(math.isfinite, norms)):
            return ()
        return tuple(float(f"{norm:.4g}") for norm in norms)

    def state(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the state for `restore`, as arrays."""
        return {
            "order": self.order.copy(),
            "position": np.array(self.position),
            "loss": np.array(self.loss),
            "correct": np.array(self.correct),
            "gradient_norm": np.array(self.gradient_norm),
            "seconds": np.array(self.seconds),
            "layer_norms": self.layer_norms.copy(),
            "measured": np.array(self.measured),
        }

    @classmethod
    def restore(cls, number: int, batch_size: int, state: dict[str, np.ndarray[Any, Any]]) -> Epoch:
        """Return the epoch in the state that `state` returned."""
        return cls(
            number,
            state["order"].copy(),
            batch_size,
            int(state["position"]),
            float(state["loss"]),
            int(state["correct"]),
            float(state["gradient_norm"]),
            float(state["seconds"]),
            state["layer_norms"].copy(),
            int(state["measured"]),
        )
