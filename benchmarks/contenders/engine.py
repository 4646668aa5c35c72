"""Glassbox's engine as a training job runs it, with its progress reports."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import asdict
from itertools import islice

from benchmarks.contenders.workload import Workload, coloured_images_and_labels, images_and_labels
from shared.network import Network, Training, preset


class Engine:
    """Training with the preset `fast` for mini-batches, `article` for single images, with the workload's changes."""

    def __init__(self, workload: Workload, dtype: str = "float32") -> None:
        configuration = preset(
            "article" if workload.batch_size == 1 else "fast",
            hidden=workload.widths[1:-1],
            batch_size=workload.batch_size,
            optimizer={"name": workload.optimizer, "learning_rate": workload.rate},
            schedule={"name": "constant"},
            epochs=100_000,
            dtype=dtype,
        )
        images, labels = images_and_labels()
        self._training = Training(Network(images.shape[1:], workload.widths[-1], configuration), images, labels)
        self._steps = workload.steps

    def run(self) -> None:
        """Take the next steps."""
        deque(islice(self._training, self._steps), maxlen=0)


class ConvolutionalEngine(Engine):
    """The same for a network with convolutions, on as many threads as OMP_NUM_THREADS says."""

    def __init__(self, workload: Workload) -> None:
        configuration = preset(
            "fast",
            convolutions=[asdict(convolution) for convolution in workload.convolutions],
            hidden=workload.widths[1:-1],
            batch_size=workload.batch_size,
            optimizer={"name": workload.optimizer, "learning_rate": workload.rate},
            schedule={"name": "constant"},
            epochs=100_000,
        )
        images, labels = coloured_images_and_labels(workload)
        network = Network(images.shape[1:], workload.widths[-1], configuration)
        self._training = Training(network, images, labels, threads=int(os.environ["OMP_NUM_THREADS"]))
        self._steps = workload.steps


def double(workload: Workload) -> Engine:
    """Return the engine in float64, the precision of the article's loop."""
    return Engine(workload, "float64")
