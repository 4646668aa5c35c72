"""The jobs of the fault matrix: trainings on `digits` and batches of small images, of any length."""

from __future__ import annotations

import hashlib
import io
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from shared.datasets import DatasetStore
from shared.network import Configuration, Network, Training, preset
from shared.storage.volume import Volume
from tests.support.data.archives import zip_of_images

TINY: dict[str, Any] = {"hidden": [16], "batch_size": 16, "optimizer": {"name": "adam", "learning_rate": 0.003}}
LONG = 100  # epochs that take some seconds
SHORT = 3


def training(epochs: int = LONG, seed: int = 0, model: str = "digits", **options: Any) -> dict[str, Any]:
    """Return the body of a request for a training."""
    return {"model": model, "dataset": "digits", "epochs": epochs, "seed": seed, **TINY, **options}


def submit(http: httpx.Client, **options: Any) -> str:
    """Submit a training; return its id."""
    response = http.post("/v1/training-jobs", json=training(**options))
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


def submit_batch(http: httpx.Client, archive: bytes, model: str = "digits", **options: str) -> str:
    """Submit an archive to a model; return the job's id."""
    response = http.post("/v1/batch-jobs", params={"model": model, **options}, content=archive)
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


@cache
def archive_of(images: int, seed: int = 0) -> bytes:
    """Return a zip of small PNG files of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (images, 8, 8), dtype=np.uint8)
    return zip_of_images(pixels)


class Expected:
    """The result of an uninterrupted training: the SHA-256 of its weights file, computed in this process."""

    def __init__(self, volume: Path) -> None:
        self._datasets = DatasetStore(Volume(volume))
        self._known: dict[str, str] = {}

    def weights_sha256(self, epochs: int = LONG, seed: int = 0) -> str:
        """Return the digest of the training `training(epochs, seed)`."""
        configuration = preset("fast", **TINY, epochs=epochs, seed=seed)
        return self._digest(configuration)

    def _digest(self, configuration: Configuration) -> str:
        key = repr(configuration)
        if key not in self._known:
            manifest, arrays = self._datasets.load("digits")
            network = Network(manifest.image_shape, len(manifest.classes), configuration)
            run = Training(network, arrays.x_train, arrays.y_train)
            for _ in run:
                pass
            file = io.BytesIO()
            np.savez(file, allow_pickle=False, **run.parameters)
            self._known[key] = hashlib.sha256(file.getvalue()).hexdigest()
        return self._known[key]
