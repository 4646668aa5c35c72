"""One pass over the training images: their order, how far it has come, and its running sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.network.evaluation.reports import EpochReport, Progress


@dataclass
class Epoch:
    """The images of one epoch in the order in which they are taken; every image once."""

    number: int
    """From 1."""

    order: npt.NDArray[np.int64]
    batch_size: int
    position: int = 0
    """Images done."""

    loss: float = 0.0
    """Summed over the images done, in nats."""

    correct: int = 0

    gradient_norm: float = 0.0
    """Summed over the mini-batches done."""

    seconds: float = 0.0

    @classmethod
    def begin(cls, number: int, images: npt.NDArray[np.int64], batch_size: int, rng: np.random.Generator) -> Epoch:
        """Shuffle the indices of the images for a new epoch."""
        return cls(number, rng.permutation(images), batch_size)

    @property
    def steps(self) -> int:
        """How many mini-batches there are; the last may be smaller than the others."""
        return -(-len(self.order) // self.batch_size)

    @property
    def step(self) -> int:
        """The mini-batch that was added last, from 1; 0 before the first."""
        return -(-self.position // self.batch_size)

    @property
    def finished(self) -> bool:
        """Whether every image has been taken."""
        return self.position == len(self.order)

    def next_batch(self) -> npt.NDArray[np.int64]:
        """Give the indices of the images that come next."""
        return self.order[self.position : self.position + self.batch_size]

    def following(self, images: int) -> npt.NDArray[np.int64]:
        """Give the indices of so many images that come after the next batch, fewer where the epoch ends before."""
        start = self.position + self.batch_size
        return self.order[start : start + images]

    def add(self, samples: int, loss: float, correct: int, gradient_norm: float = 0.0) -> Progress:
        """Count a mini-batch with its summed loss, the number of its right answers and its gradient's norm."""
        self.position += samples
        self.loss += loss
        self.correct += correct
        self.gradient_norm += gradient_norm
        position = self.position
        return Progress(self.number, self.step, self.steps, position, self.loss / position, self.correct / position)

    def report(self) -> EpochReport:
        """Sum up what the finished epoch itself has seen."""
        samples = len(self.order)
        return EpochReport(
            self.number,
            self.loss / samples,
            self.correct / samples,
            self.seconds,
            gradient_norm=self.gradient_norm / self.steps,
        )

    def state(self) -> dict[str, np.ndarray[Any, Any]]:
        """Give all that `restore` needs, as arrays."""
        return {
            "order": self.order.copy(),
            "position": np.array(self.position),
            "loss": np.array(self.loss),
            "correct": np.array(self.correct),
            "gradient_norm": np.array(self.gradient_norm),
            "seconds": np.array(self.seconds),
        }

    @classmethod
    def restore(cls, number: int, batch_size: int, state: dict[str, np.ndarray[Any, Any]]) -> Epoch:
        """Go on where `state` was taken."""
        return cls(
            number,
            state["order"].copy(),
            batch_size,
            int(state["position"]),
            float(state["loss"]),
            int(state["correct"]),
            float(state["gradient_norm"]),
            float(state["seconds"]),
        )
