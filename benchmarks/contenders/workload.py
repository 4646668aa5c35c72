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
class Convolution:
    """A convolution with square filters, then max pooling if pool_size is above 1."""

    filters: int
    kernel_size: int
    strides: int = 1
    padding: str = "same"
    pool_size: int = 1

    @property
    def name(self) -> str:
        """Kernel and filters, then strides and pooling if there are any."""
        extras = f"/{self.strides}" * (self.strides > 1) + f" pool {self.pool_size}" * (self.pool_size > 1)
        return f"conv{self.kernel_size}×{self.filters}{extras}"

    def sides(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width of the convolution's result, before pooling."""
        if self.padding == "valid":
            return tuple((side - self.kernel_size) // self.strides + 1 for side in (height, width))  # type: ignore[return-value]
        return -(-height // self.strides), -(-width // self.strides)


@dataclass(frozen=True)
class Workload:
    """One training. It uses sigmoid image by image, as in the article, and ReLU in mini-batches, as is usual today.

    widths: those of the dense layers, from their input to the classes. convolutions: the blocks before them.
    """

    widths: tuple[int, ...]
    batch_size: int
    optimizer: str
    """ "sgd", "momentum" or "adam"."""

    steps: int
    """The steps of one measurement: some tenths of a second, long enough for the clock, short enough for many turns."""

    convolutions: tuple[Convolution, ...] = ()
    image_shape: tuple[int, ...] = (28, 28)

    @classmethod
    def convolutional(cls, convolutions: tuple[Convolution, ...], image_shape: tuple[int, ...], steps: int) -> Workload:
        """Return a workload of convolutions and one dense layer, in mini-batches of 128 with momentum."""
        height, width = image_shape[:2]
        for convolution in convolutions:
            height, width = (side // convolution.pool_size for side in convolution.sides(height, width))
        widths = (height * width * convolutions[-1].filters, 10)
        return cls(widths, 128, "momentum", steps, convolutions, image_shape)

    @property
    def channels(self) -> int:
        """The numbers of a pixel."""
        return self.image_shape[2] if len(self.image_shape) == 3 else 1

    @property
    def activation(self) -> str:
        """The hidden layers' activation."""
        return "sigmoid" if self.batch_size == 1 else "relu"

    @property
    def rate(self) -> float:
        """A learning rate at which no contender diverges."""
        if self.optimizer == "adam":
            return 0.001
        return 0.01 if self.batch_size == 1 or self.optimizer == "momentum" else 0.1

    @property
    def name(self) -> str:
        """The layers, the images if there are convolutions, the batch size, the optimizer."""
        layers = "-".join(map(str, self.widths))
        if self.convolutions:
            blocks = ", ".join(convolution.name for convolution in self.convolutions)
            sides = "×".join(map(str, (*self.image_shape[:2], self.channels)))
            layers = f"{blocks}, dense {layers} on {sides}"
        return f"{layers}, batch {self.batch_size}, {self.optimizer}"


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


COLOURED = 12_800
"""The images of the workloads with convolutions, fewer so that each contender's floats fit into memory."""


def coloured_images_and_labels(workload: Workload) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Load training images of the workload's shape: MNIST, centred on black, in colour each in a colour of its own."""
    images, labels = (array[:COLOURED] for array in images_and_labels())
    margins = [(side - own) // 2 for side, own in zip(workload.image_shape[:2], images.shape[1:], strict=True)]
    images = np.pad(images, ((0, 0), *((margin, margin) for margin in margins)))
    if workload.channels > 1:
        colours = np.random.default_rng(0).uniform(0.2, 1, (len(images), 1, 1, workload.channels))
        images = np.rint(images[..., None] * colours).astype(np.uint8)
    assert images.shape[1:] == workload.image_shape
    return images, labels


def pixels_and_labels(workload: Workload) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Load the same images as numbers (N, H, W, C) from 0 to 1, and their labels as int64."""
    images, labels = coloured_images_and_labels(workload)
    pixels = images.reshape(*images.shape[:3], workload.channels).astype(np.float32)
    pixels /= 255
    return pixels, labels.astype(np.int64)


def rows_and_labels(dtype: str = "float32") -> tuple[npt.NDArray[np.floating], npt.NDArray[np.int64]]:
    """Load the training images as rows (60000, 784) of numbers from 0 to 1, and their labels as int64."""
    images, labels = images_and_labels()
    rows = images.reshape(len(images), -1).astype(dtype)
    rows /= 255
    return rows, labels.astype(np.int64)


def batches(rng: np.random.Generator, samples: int, workload: Workload) -> npt.NDArray[np.int64]:
    """Draw the images of one run, a row of indices for each step: (steps, batch)."""
    return rng.permutation(samples)[: workload.steps * workload.batch_size].reshape(workload.steps, workload.batch_size)
