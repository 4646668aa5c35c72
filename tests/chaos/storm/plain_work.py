"""The work of the baseline's tasks: the same as Glassbox's handlers, without leases, checkpoints and publications."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from shared.archives import Contents, validate
from shared.datasets import DatasetStore
from shared.images.decoding import decode_into
from shared.network import Network, Training, preset
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.chaos.work import TINY


def train(volume: str, epochs: int, seed: int) -> None:
    """Train to the end, and write the weights."""
    manifest, arrays = DatasetStore(Volume(Path(volume))).load("digits")
    network = Network(manifest.image_shape, len(manifest.classes), preset("fast", **TINY, epochs=epochs, seed=seed))
    training = Training(network, arrays.x_train, arrays.y_train)
    for _ in training:
        pass
    with tempfile.TemporaryFile() as file:
        np.savez(file, allow_pickle=False, **training.parameters)


def classify(volume: str, path: str) -> None:
    """Decode every image of the archive, and classify them."""
    manifest = DatasetStore(Volume(Path(volume))).get("digits")
    network = Network(manifest.image_shape, len(manifest.classes), preset("fast", **TINY))
    parameters = network.initialize(np.random.default_rng(0))
    entries = validate(Path(path), Settings())
    pixels = np.empty((len(entries), 8, 8), np.uint8)
    with Contents(Path(path), entries, Settings()) as contents:
        for index in range(len(entries)):
            decode_into(pixels[index], contents.read(index), 1000)
    network.probabilities(parameters, pixels)
