"""A version of a model, read from the server with Glassbox's SDK."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from glassbox import Client
from numpy.typing import NDArray

from examples.ray.classifier import Model


def downloaded(reference: str) -> tuple[Model, dict[str, NDArray[Any]]]:
    """Return a version and its parameters from the server; the SDK verifies their SHA-256."""
    with Client() as client, tempfile.TemporaryDirectory() as folder:
        version = client.models.version(reference)
        path = client.models.download(version.name, Path(folder) / "weights.npz")
        with np.load(path, allow_pickle=False) as file:
            parameters = {name: file[name] for name in file.files}
    model = Model(
        version.name,
        tuple(version.input.image_shape),
        version.classes,
        version.configuration,
        version.input.brightness,
    )
    return model, parameters
