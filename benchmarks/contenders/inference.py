"""Classifying images with one core, from bytes to labels: Glassbox, and onnxruntime on the graph that it exports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

IMAGES = 4096
SHARD = 1024
"""Images that a classifier of a batch passes to the network at once."""


@dataclass(frozen=True)
class InferenceWorkload:
    """A network with its parameters, as a configuration and as the graph that Glassbox exports."""

    name: str
    image_shape: tuple[int, ...]
    configuration: Mapping[str, Any]
    parameters: Mapping[str, npt.NDArray[Any]]
    graph: bytes

    @property
    def channels(self) -> int:
        """The numbers of a pixel."""
        return self.image_shape[2] if len(self.image_shape) == 3 else 1

    def images(self) -> npt.NDArray[np.uint8]:
        """Return random images (N, *image_shape)."""
        return np.random.default_rng(0).integers(0, 256, (IMAGES, *self.image_shape), np.uint8)


class Glassbox:
    """The forward pass as the classifiers of a batch run it."""

    def __init__(self, workload: InferenceWorkload) -> None:
        from shared.network import Configuration, Network  # noqa: PLC0415 - onnxruntime's process needs no network

        network = Network(workload.image_shape, 10, Configuration.from_dict(workload.configuration))
        self._rows = workload.images().reshape(IMAGES, -1)
        self._inference = network.inference(dict(workload.parameters), SHARD)

    def run(self) -> None:
        """Classify all images."""
        step = self._inference.size
        for start in range(0, IMAGES, step):
            self._inference.run(self._rows[start : start + step]).argmax(axis=1)


class OnnxRuntime:
    """onnxruntime with the number of images at once, of several, with which it is fastest."""

    def __init__(self, workload: InferenceWorkload) -> None:
        import onnxruntime  # noqa: PLC0415 - it is not in the environment of PyTorch

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(workload.graph, options, providers=["CPUExecutionProvider"])
        self._shape = self._session.get_inputs()[0].shape[1:]
        self._images = workload.images()
        self._at_once = fastest(self._classify)

    def run(self) -> None:
        """Classify all images."""
        self._classify(self._at_once)

    def _classify(self, at_once: int) -> None:
        scale = np.float32(1 / 255)
        for start in range(0, IMAGES, at_once):
            part = self._images[start : start + at_once]
            X = np.multiply(part, scale, dtype=np.float32).reshape(len(part), *self._shape)
            self._session.run(["probabilities"], {"images": X})[0].argmax(axis=1)


def fastest(classify: Callable[[int], None]) -> int:
    """Return the number of images at once with which classifying takes the least time."""
    seconds = {}
    for at_once in (16, 64, 256, 1024):
        classify(at_once)
        started = perf_counter()
        classify(at_once)
        seconds[at_once] = perf_counter() - started
    return min(seconds, key=lambda at_once: seconds[at_once])
