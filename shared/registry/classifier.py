"""A published model, ready to classify: its network, its parameters and its classes' names."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.network import Configuration, Network
from shared.network.layers.forward_backward import Forward
from shared.network.layers.inputs import scale
from shared.network.network import BLOCK
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

    def classify(self, images: NDArray[Any], top_k: int) -> Answers:
        """Run the network over images (N, H, W) and keep each one's `top_k` best classes."""
        return best_of(self.probabilities(images), top_k)

    def probabilities(self, images: NDArray[Any]) -> NDArray[Any]:
        """Run the network over images, bytes or floating point from 0 to 1, (N, H, W) or (N, H·W): (N, classes)."""
        return self.network.probabilities(self.parameters, images)


class ForwardPass:
    """A classifier with arrays of its own, which are allocated once and used for one shard after the other.

    `images` (rows, H, W) is where the caller writes. Every pass has the same shape, whatever is in it.
    """

    def __init__(self, classifier: Classifier, rows: int) -> None:
        network = classifier.network
        self.images = np.empty((rows, *classifier.version.image_shape), np.uint8)
        self._rows = self.images.reshape(rows, -1)  # (rows, pixels), a view
        self._forward = Forward(network.layers(classifier.parameters), network.activation, min(rows, BLOCK))
        self._forward.X.fill(0)  # the rows that are never written run along: whatever lies there may overflow
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
    """The classifiers that a process used last, so that a model is loaded once per process and version.

    Its threads may all use it. What was deleted since is not given any more, and let go.
    """

    def __init__(self, registry: Registry, capacity: int = 8) -> None:
        self._registry = registry
        self._capacity = capacity
        self._loaded: dict[tuple[str, int], Classifier] = {}  # the one used last comes last
        self._lock = Lock()  # held for moments: around what changes the dictionary
        self._loading = Lock()  # held while a model is loaded, so that nobody else loads it, too

    def get(self, name: str, version: int) -> Classifier:
        """The classifier of this version, loaded if it is not at hand; `NotFound` where it was deleted."""
        return self.find(name, str(version))

    def find(self, name: str, reference: str) -> Classifier:
        """The classifier of a version by number, by alias, or of the newest (`latest`), as it is at this moment."""
        key = (name, self._registry.number(name, reference))
        return self._at_hand(key) or self._load(key)

    def forget(self, name: str) -> None:
        """Let go of a model's classifiers."""
        with self._lock:
            self._loaded = {key: classifier for key, classifier in self._loaded.items() if key[0] != name}

    def _at_hand(self, key: tuple[str, int]) -> Classifier | None:
        with self._lock:
            classifier = self._loaded.pop(key, None)
            if classifier is not None:
                self._loaded[key] = classifier
            return classifier

    def _load(self, key: tuple[str, int]) -> Classifier:
        with self._loading:
            classifier = self._at_hand(key)  # by whoever held the lock before
            if classifier is None:
                name, number = key
                classifier = Classifier.load(self._registry, self._registry.get(name, str(number)))
                with self._lock:
                    self._loaded[key] = classifier
                    self._make_room()
            return classifier

    def _make_room(self) -> None:
        for name, number in list(self._loaded):
            if self._registry.is_deleted(name, number) or len(self._loaded) > self._capacity:
                del self._loaded[name, number]
