"""A published model in memory: its network, its parameters and its classes' names."""

from __future__ import annotations

import json
import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from threading import Condition, Lock, RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import Conflict, Damaged, Unavailable
from shared.network import Configuration, ConfigurationError, Network
from shared.network.evaluation.inference import BLOCK
from shared.network.selection.costs import inference_cost
from shared.registry import ModelVersion, Registry

WAIT_SECONDS = 10.0  # for requests that still use a model which was removed from the cache
UNIT = 40  # estimated multiply-adds that take as long as the activation of a hidden unit
PASS_BYTES = 64 * 1024 * 1024  # of the arrays of one forward pass


@dataclass(frozen=True)
class Predictions:
    """The best classes of each image: `labels` (N, k) as class indices and `probabilities` (N, k), best first."""

    labels: NDArray[np.intp]
    probabilities: NDArray[Any]


def best_of(P: NDArray[Any], top_k: int) -> Predictions:
    """Return the `top_k` best classes of each row of probabilities (N, classes)."""
    best = P.argmax(axis=1)[:, np.newaxis] if top_k == 1 else np.argsort(-P, axis=1, kind="stable")[:, :top_k]
    return Predictions(best, np.take_along_axis(P, best, axis=1))


def network_of(version: ModelVersion) -> Network:
    """Return a version's network; raises `Damaged` if this version of the code does not support it."""
    try:
        return Network(version.image_shape, len(version.classes), Configuration.from_dict(version.configuration))
    except ConfigurationError as error:
        detail = f"this version of Glassbox does not support the network of {version.model}@{version.version}"
        how = "upgrade Glassbox, or use another version of the model"
        raise Damaged("version_unreadable", f"{detail}: {error}; {how}") from error


@dataclass(frozen=True)
class Classifier:
    """One model version in memory."""

    version: ModelVersion
    network: Network
    parameters: dict[str, NDArray[Any]]

    @classmethod
    def load(cls, registry: Registry, version: ModelVersion) -> Classifier:
        """Load a version's weights.

        Raises `Damaged` if their digest is wrong, or if this version of the code does not support the network.
        """
        network = network_of(version)
        parameters = registry.load(version)
        network.check(parameters)
        return cls(version, network, parameters)

    def classify(self, images: NDArray[Any], top_k: int) -> Predictions:
        """Run the network over images (N, *image_shape) and return the `top_k` best classes of each image."""
        return best_of(self.probabilities(images), top_k)

    def probabilities(self, images: NDArray[Any]) -> NDArray[Any]:
        """Return the probabilities (N, classes) of images, as `Network.probabilities` takes them.

        The images of a network with very large layers are classified a few at a time.
        """
        step = max(1, PASS_BYTES // self._bytes_per_image)
        if len(images) <= min(step, BLOCK) or step >= BLOCK:
            return self.network.probabilities(self.parameters, images)
        P = np.empty((len(images), self.network.classes), self.network.dtype)
        for start in range(0, len(images), step):
            P[start : start + step] = self.network.probabilities(self.parameters, images[start : start + step])
        return P

    @cached_property
    def longest_name(self) -> int:
        """The bytes of the longest class name in JSON."""
        return max(len(json.dumps(name)) for name in self.version.classes)

    @cached_property
    def operations(self) -> int:
        """The estimated multiply-adds of the classification of an image."""
        return inference_cost(self.network) + UNIT * sum(self.network.configuration.hidden)

    @cached_property
    def _bytes_per_image(self) -> int:
        """The bytes of a dense network's activations for one image."""
        units = sum(self.network.configuration.hidden) + self.network.classes
        return (math.prod(self.network.image_shape) + 2 * units) * self.network.dtype.itemsize


class ForwardPass:
    """A classifier with its own arrays, which are allocated once and reused for each shard.

    The caller writes the images into `images` (rows, *image_shape).
    Every pass has the same shape, even with fewer images.
    """

    def __init__(self, classifier: Classifier, rows: int) -> None:
        network = classifier.network
        self.images = np.empty((rows, *classifier.version.image_shape), np.uint8)
        self._rows = self.images.reshape(rows, -1)  # (rows, pixels), a view
        self._inference = network.inference(classifier.parameters, rows)
        self._P = np.empty((rows, network.classes), network.dtype)

    def classify(self, count: int, top_k: int, check: Callable[[], None] = lambda: None) -> Predictions:
        """Return the best `top_k` classes of each of the first `count` images; they are valid until the next call.

        check: called after each block of images.
        """
        step = self._inference.size
        for start in range(0, count, step):
            stop = min(start + step, count)
            self._P[start:stop] = self._inference.run(self._rows[start:stop])
            check()
        return best_of(self._P[:count], top_k)


class ModelMemory:
    """The bytes of all classifiers in memory, with those that a request still uses after their removal from the cache.

    limit: None for any number of bytes.
    """

    def __init__(self, limit: int | None, wait_seconds: float) -> None:
        self.limit = math.inf if limit is None else limit
        self._wait_seconds = wait_seconds
        self._used = 0
        self._changed = Condition(RLock())  # a classifier may be freed at any time, also while this thread holds it

    def check(self, version: ModelVersion) -> None:
        """Raise `Conflict` if the version alone takes more than the limit."""
        if version.weights.bytes > self.limit:
            raise Conflict(
                "model_too_large",
                f"the weights of {version.model}@{version.version} have {version.weights.bytes} bytes, and"
                f" GLASSBOX_ONLINE_MODEL_BYTES is {self.limit}; classify with a batch job, or set it to more",
            )

    def take(self, version: ModelVersion) -> None:
        """Count a version's bytes, after a wait until they fit. Raises `Unavailable` if that takes too long."""
        size = version.weights.bytes
        with self._changed:
            if not self._changed.wait_for(lambda: self._used + size <= self.limit, self._wait_seconds):
                raise Unavailable(
                    "memory_busy",
                    f"{version.model}@{version.version} cannot be loaded, because requests use other models"
                    f" (GLASSBOX_ONLINE_MODEL_BYTES is {self.limit}); send the request again",
                )
            self._used += size

    def give_back(self, size: int) -> None:
        """Count the bytes of a classifier that was freed."""
        with self._changed:
            self._used -= size
            self._changed.notify_all()


class ClassifierCache:
    """A cache of the most recently used classifiers, so that a process loads each version once.

    It holds at most `capacity` of them, whose weights have at most `limit` bytes together. It is thread-safe. Deleted
    versions are not returned any more, and are removed from the cache.
    """

    def __init__(
        self,
        registry: Registry,
        capacity: int = 8,
        limit: int | None = None,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._registry = registry
        self._capacity = capacity
        self._memory = ModelMemory(limit, wait_seconds)
        self._loaded: dict[tuple[str, int], Classifier] = {}  # the most recently used one comes last
        self._lock = Lock()  # held only while the dictionary is changed
        self._loading = Lock()  # held while a model is loaded, so that no other thread loads it too

    def get(self, name: str, version: int) -> Classifier:
        """Return the classifier of a version, loaded if it is not cached; raises `NotFound` if it was deleted."""
        return self.find(name, str(version))

    def find(self, name: str, reference: str) -> Classifier:
        """Return the classifier of a version by number, alias or `latest`, which each call resolves anew."""
        key = (name, self._registry.number(name, reference))
        return self._cached(key) or self._load(key)

    def forget(self, name: str) -> None:
        """Remove a model's classifiers from the cache."""
        with self._lock:
            self._loaded = {key: classifier for key, classifier in self._loaded.items() if key[0] != name}

    def _cached(self, key: tuple[str, int]) -> Classifier | None:
        with self._lock:
            classifier = self._loaded.pop(key, None)
            if classifier is not None:
                self._loaded[key] = classifier
            return classifier

    def _load(self, key: tuple[str, int]) -> Classifier:
        with self._loading:
            classifier = self._cached(key)  # another thread may have loaded it while this one waited
            if classifier is None:
                name, number = key
                version = self._registry.get(name, str(number))
                self._memory.check(version)
                self._make_room(version.weights.bytes)
                self._memory.take(version)
                try:
                    classifier = Classifier.load(self._registry, version)
                except BaseException:
                    self._memory.give_back(version.weights.bytes)
                    raise
                weakref.finalize(classifier, self._memory.give_back, version.weights.bytes).atexit = False
                with self._lock:
                    self._loaded[key] = classifier
            return classifier

    def _make_room(self, size: int) -> None:
        """Remove deleted classifiers, and those that were not used for longest, until one more of `size` bytes fits."""
        with self._lock:
            for name, number in list(self._loaded):
                is_full = len(self._loaded) >= self._capacity or self._size() + size > self._memory.limit
                if is_full or self._registry.is_deleted(name, number):
                    del self._loaded[name, number]

    def _size(self) -> int:
        return sum(classifier.version.weights.bytes for classifier in self._loaded.values())
