"""A published model, ready to classify: its network, its parameters and its classes' names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.network import Configuration, Network
from shared.registry import ModelVersion, Registry


@dataclass(frozen=True)
class Answers:
    """The best classes of each image: `labels` (N, k) as class indices and `probabilities` (N, k), best first."""

    labels: NDArray[np.intp]
    probabilities: NDArray[Any]


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
        P = self.network.probabilities(self.parameters, images)  # (N, classes)
        best = P.argmax(axis=1)[:, np.newaxis] if top_k == 1 else np.argsort(-P, axis=1, kind="stable")[:, :top_k]
        return Answers(best, np.take_along_axis(P, best, axis=1))


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
