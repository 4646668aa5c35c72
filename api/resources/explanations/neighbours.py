"""`POST /v1/models/{name}/versions/{ref}/neighbours`: the training images most like an image, to the network."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

import numpy as np
from flask import Blueprint
from numpy.typing import NDArray
from pydantic import Field, with_config
from typing_extensions import TypedDict

from api.loaded_models import OnlineModels
from api.requests.online.memory import WAIT_SECONDS
from api.resources.explanations.one_image import BODY, ERRORS, ImageOptions, OneImageReader
from api.schema.examples import DATASET_ID, shown_as
from api.schema.operations import operation
from shared.datasets import DatasetStore, Manifest
from shared.errors import Unavailable
from shared.network.attribution.neighbours import Embedded, embedding_width, embeddings
from shared.registry.classifier import Classifier
from shared.runtime.settings import Settings

MOST_NEIGHBOURS = 100
SPLIT = "train"
ONCE = 3  # times the operations that a request may take, because the activations are computed once for each version


class NeighboursOptions(ImageOptions):
    """How many neighbours to return."""

    count: int = Field(10, ge=1, le=MOST_NEIGHBOURS, description="number of training images to return")


class NeighbourView(TypedDict):
    """A training image, by its position in the split, with its class and its distance."""

    split: str
    index: int
    label: str
    distance: float


@with_config(
    shown_as(
        {
            "model": "digits",
            "version": 3,
            "dataset": DATASET_ID,
            "label": "7",
            "images": 430,
            "searched": 430,
            "neighbours": [{"split": "train", "index": 17, "label": "7", "distance": 0.81}],
        }
    )
)
class NeighboursView(TypedDict):
    """The nearest training images, the nearest first. `label` is the class of the image, if it is one of a data set.

    `images` is the number of training images, and `searched` of how many of them, at equal distances in the split, the
    neighbours are: all, if their activations fit into the limits.
    """

    model: str
    version: int
    dataset: str
    label: str | None
    images: int
    searched: int
    neighbours: list[NeighbourView]


@dataclass(frozen=True)
class _Searched:
    """The embedded training images of a version, and the position (n,) of each in the split."""

    embedded: Embedded
    positions: NDArray[np.intp]


class TrainingImages:
    """The embedded training images of the versions used last, in memory: at most `neighbour_bytes` in a process.

    Only one version's images are embedded at a time, which takes seconds of a core for tens of thousands of images.
    """

    def __init__(self, store: DatasetStore, limits: Settings, wait_seconds: float = WAIT_SECONDS) -> None:
        self._store = store
        self._limits = limits
        self._wait_seconds = wait_seconds
        self._known: dict[tuple[str, int, str], _Searched] = {}  # the most recently used one comes last
        self._lock = Lock()  # held only while the dictionary is changed
        self._embedding = Lock()

    def of(self, classifier: Classifier) -> _Searched:
        """Return those of a version. Raises `NotFound` without its data set, `Damaged`, or `Unavailable`."""
        version = classifier.version
        key = (version.model, version.version, version.weights.sha256)
        if found := self._cached(key):
            return found
        if not self._embedding.acquire(timeout=self._wait_seconds):
            raise Unavailable(
                "memory_busy",
                "this process computes the activations of another version's training images; send the request again",
            )
        try:
            if found := self._cached(key):  # another thread may have computed it while this one waited
                return found
            found = self._embedded(classifier)
            with self._lock:
                self._known[key] = found
        finally:
            self._embedding.release()
        return found

    def _cached(self, key: tuple[str, int, str]) -> _Searched | None:
        with self._lock:
            found = self._known.pop(key, None)
            if found is not None:
                self._known[key] = found
            return found

    def _embedded(self, classifier: Classifier) -> _Searched:
        _, arrays = self._store.load(classifier.version.dataset, anew=False)
        images = arrays.x_train
        each = 4 * (embedding_width(classifier.network) + 1)
        by_memory, by_work = (
            self._limits.neighbour_bytes // each,
            ONCE * self._limits.max_online_operations // classifier.operations,
        )
        count = max(1, min(len(images), by_memory, by_work))
        self._make_room(count * each)
        positions = np.arange(count) * len(images) // count
        rows = images.reshape(len(images), -1)
        return _Searched(Embedded(embeddings(classifier.network, classifier.parameters, rows, positions)), positions)

    def _make_room(self, size: int) -> None:
        """Remove those that were not used for longest, until one more of `size` bytes fits."""
        with self._lock:
            while self._known and size + self._size() > self._limits.neighbour_bytes:
                self._known.pop(next(iter(self._known)))

    def _size(self) -> int:
        return sum(each.embedded.nbytes for each in self._known.values())


def blueprint(models: OnlineModels, images: OneImageReader, training: TrainingImages, store: DatasetStore) -> Blueprint:
    """Return the route of the nearest training images."""
    routes = Blueprint("neighbours", __name__)

    @routes.post("/v1/models/<name>/versions/<reference>/neighbours")
    @operation(
        "Find the training images most like an image",
        scope="read",
        query=NeighboursOptions,
        body=BODY,
        responses={200: NeighboursView},
        errors=ERRORS,
    )
    def neighbours(name: str, reference: str) -> NeighboursView:
        """The nearest by the Euclidean distance of the activations of the last hidden layer, compared with all images.

        The first request for a version computes these activations for its training images, which takes seconds for
        tens of thousands; the process keeps them.
        """
        models.check(name, reference)
        classifier = models.classifier(name, reference)
        version = classifier.version
        manifest = store.get(version.dataset)
        found = images.read(version, NeighboursOptions)
        searched = training.of(classifier)
        row, only = found.pixels.reshape(1, -1), np.arange(1)
        [query] = embeddings(classifier.network, classifier.parameters, row, only)
        nearest, distances = searched.embedded.nearest(query, found.options.count)
        return {
            "model": version.model,
            "version": version.version,
            "dataset": version.dataset,
            "label": found.label,
            "images": manifest.splits[SPLIT],
            "searched": len(searched.positions),
            "neighbours": _views(manifest, store, searched.positions[nearest], distances),
        }

    return routes


def _views(
    manifest: Manifest, store: DatasetStore, positions: NDArray[np.intp], distances: NDArray[np.float64]
) -> list[NeighbourView]:
    labels = store.load(manifest.id, anew=False)[1].y_train[positions]
    return [
        {"split": SPLIT, "index": index, "label": manifest.classes[label], "distance": distance}
        for index, label, distance in zip(positions.tolist(), labels.tolist(), distances.tolist(), strict=True)
    ]
