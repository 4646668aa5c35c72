"""A published model, ready to classify: its network, its parameters and its classes' names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.network import Configuration, Network
from shared.network.inputs import scale
from shared.network.network import BLOCK
from shared.network.passes import Forward
from shared.registry import ModelVersion, Registry


@dataclass(frozen=True)
class Answers:
    """The best classes of each image: `labels` (N, k) as class indices and `probabilities` (N, k), best first."""

    labels: NDArray[np.intp]
    probabilities: NDArray[Any]


def best_of(P: NDArray[Any], top_k: int) -> Answers:
    """The `top_k` best classes of each row of probabilities (N, classes)."""
    best = P.argmax(axis=1)[:, np.newaxis] if top_k == 1 else np.argsort(-P, axis=1, kind="stable")[:, :top_k]
    return Answers(best, np.take_along_axis(P, best, axis=1))


@dataclass(frozen=True)
class Classifier:
    """One model version in memory."""

    version: ModelVersion
    network: Network
    parameters: dict[str, NDArray[Any]]

    @classmethod
    def load(cls, registry: Registry, version: ModelVersion) -> Classifier:
        """Read a version's weights; raises `Damaged` where they are not what was published."""
        configuration = Configuration.from_dict(version.configuration)
        network = Network(version.image_shape, len(version.classes), configuration)
        parameters = registry.load(version)
        network.check(parameters)
        return cls(version, network, parameters)

    def classify(self, images: NDArray[np.uint8], top_k: int) -> Answers:
        """Run the network over images (N, H, W) and keep each one's `top_k` best classes."""
        return best_of(self.network.probabilities(self.parameters, images), top_k)


class ForwardPass:
    """A classifier with arrays of its own, which are allocated once and used for one shard after the other.

    `images` (rows, H, W) is where the caller writes. Every pass has the same shape, whatever is in it.
    """

    def __init__(self, classifier: Classifier, rows: int) -> None:
        network = classifier.network
        self.images = np.empty((rows, *classifier.version.image_shape), np.uint8)
        self._rows = self.images.reshape(rows, -1)  # (rows, pixels), a view
        self._forward = Forward(network.layers(classifier.parameters), network.activation, min(rows, BLOCK))
        self._P = np.empty((rows, network.classes), network.dtype)

    def answers(self, count: int, top_k: int) -> Answers:
        """The best `top_k` classes of each of the first `count` images; they last until the next call."""
        X = self._forward.X
        for start in range(0, count, len(X)):
            stop = min(start + len(X), count)
            scale(self._rows[start:stop], X[: stop - start])
            self._P[start:stop] = self._forward.run()[: stop - start]
        return best_of(self._P[:count], top_k)


class ClassifierCache:
    """The classifiers that a process used last, so that a model is loaded once per process and version."""

    def __init__(self, registry: Registry, capacity: int = 8) -> None:
        self._registry = registry
        self._capacity = capacity
        self._loaded: dict[tuple[str, int], Classifier] = {}

    def get(self, name: str, version: int) -> Classifier:
        """The classifier of this version, loaded if it is not at hand."""
        key = (name, version)
        classifier = self._loaded.pop(key, None)
        if classifier is None:
            classifier = Classifier.load(self._registry, self._registry.get(name, str(version)))
        self._loaded[key] = classifier  # the last one is the most recently used
        if len(self._loaded) > self._capacity:
            del self._loaded[next(iter(self._loaded))]
        return classifier
