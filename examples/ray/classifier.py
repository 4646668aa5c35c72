"""A model version that classifies image files in any process: Glassbox's network and decoding, without a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import Malformed
from shared.images.decoding import decode_into
from shared.images.inversion import Brightness, invert
from shared.network import Configuration, Network

MAX_PIXELS = 16_000_000  # of an image, as GLASSBOX_MAX_IMAGE_PIXELS
PASS = 4096  # images that are decoded and classified at a time, as GLASSBOX_SHARD_IMAGES


@dataclass(frozen=True)
class Model:
    """A version without its parameters, as the API describes it.

    image_shape: (H, W), or (H, W, 3) for colour. brightness: of the training images; None for versions of older
    releases.
    """

    name: str
    image_shape: tuple[int, ...]
    classes: tuple[str, ...]
    configuration: Mapping[str, Any]
    brightness: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Predictions:
    """The columns of a table with a row for each image: its label and confidence, or why it could not be read."""

    labels: list[str | None]
    confidences: list[float | None]
    errors: list[str | None]


class Classifier:
    """Classifies as a batch of Glassbox does. It keeps its arrays, so use one object for many images in one process."""

    def __init__(self, model: Model, parameters: dict[str, NDArray[Any]], inversion: str = "auto") -> None:
        """Check the parameters; raises ValueError or ConfigurationError if they do not fit the model.

        inversion: `auto`, `always` or `never`, as the option `invert` of a batch.
        """
        self._classes = model.classes
        self._brightness = Brightness(**model.brightness) if model.brightness else None
        self._inversion = "never" if inversion == "auto" and self._brightness is None else inversion
        network = Network(model.image_shape, len(model.classes), Configuration.from_dict(model.configuration))
        network.check(parameters)
        self._inference = network.inference(parameters, PASS)
        self._images = np.empty((PASS, *model.image_shape), np.uint8)

    def classify(self, contents: Sequence[bytes]) -> Predictions:
        """Classify encoded images; one that cannot be read has an error instead of a label."""
        found = Predictions([], [], [])
        for start in range(0, len(contents), PASS):
            self._append(contents[start : start + PASS], found)
        return found

    def _append(self, contents: Sequence[bytes], found: Predictions) -> None:
        good = 0
        errors: list[str | None] = []
        for content in contents:
            try:
                decode_into(self._images[good], content, MAX_PIXELS)
            except Malformed as error:
                errors.append(f"{error.code}: {error.detail}")
            else:
                good += 1
                errors.append(None)
        images = self._images[:good]
        invert(images, self._inversion, self._brightness)
        best = iter(self._best(images.reshape(good, -1)))
        rows = [next(best) if error is None else (None, None) for error in errors]
        found.labels.extend(label for label, _ in rows)
        found.confidences.extend(confidence for _, confidence in rows)
        found.errors.extend(errors)

    def _best(self, rows: NDArray[np.uint8]) -> list[tuple[str, float]]:
        """Return the most probable class of each row (n, pixels), and its probability."""
        best: list[tuple[str, float]] = []
        for start in range(0, len(rows), self._inference.size):
            P = self._inference.run(rows[start : start + self._inference.size])
            labels = P.argmax(axis=1)
            best += zip((self._classes[label] for label in labels), P.max(axis=1).tolist(), strict=True)
        return best
