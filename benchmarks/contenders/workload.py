"""The workload of every contender: a network, a batch size, an optimizer, and the steps of one measurement."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Workload:
    """One training. It uses sigmoid image by image, as in the article, and ReLU in mini-batches, as is usual today."""

    widths: tuple[int, ...]
    batch_size: int
    optimizer: str
    """ "sgd" or "adam"."""

    steps: int
    """The steps of one measurement: some tenths of a second, long enough for the clock, short enough for many turns."""

    @property
    def activation(self) -> str:
        """The hidden layers' activation."""
        return "sigmoid" if self.batch_size == 1 else "relu"

    @property
    def rate(self) -> float:
        """A learning rate at which no contender diverges."""
        if self.optimizer == "adam":
            return 0.001
        return 0.01 if self.batch_size == 1 else 0.1

    @property
    def name(self) -> str:
        """The layers, the batch size, the optimizer."""
        return f"{'-'.join(map(str, self.widths))}, batch {self.batch_size}, {self.optimizer}"


class Contender(Protocol):
    """An implementation of the training: its first `run` may compile and warm up; every later one is timed."""

    def run(self) -> None:
        """Run the workload's number of steps, continuing from the last run."""


def mnist() -> dict[str, npt.NDArray[np.uint8]]:
    """Load MNIST: x_train (60000, 28, 28), y_train (60000,), and another 10,000 images in x_test, y_test."""
    folder = Path(os.environ.get("GLASSBOX_DATASETS", ROOT.parent / "shared" / "data"))
    with np.load(folder / "mnist.npz", allow_pickle=False) as archive:
        return dict(archive)


def images_and_labels() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Load the training images and their labels."""
    data = mnist()
    return data["x_train"], data["y_train"]


def rows_and_labels(dtype: str = "float32") -> tuple[npt.NDArray[np.floating], npt.NDArray[np.int64]]:
    """Load the training images as rows (60000, 784) of numbers from 0 to 1, and their labels as int64."""
    images, labels = images_and_labels()
    rows = images.reshape(len(images), -1).astype(dtype)
    rows /= 255
    return rows, labels.astype(np.int64)


def batches(rng: np.random.Generator, samples: int, workload: Workload) -> npt.NDArray[np.int64]:
    """Draw the images of one run, a row of indices for each step: (steps, batch)."""
    return rng.permutation(samples)[: workload.steps * workload.batch_size].reshape(workload.steps, workload.batch_size)
